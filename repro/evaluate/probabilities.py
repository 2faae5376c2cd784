"""Probabilities of some images kept on disk, so that a search over CRF parameters runs the network once.

One file of float16 (C, H, W) for each image, without padding: a VOC photograph takes 8 MB. Half precision is for the
search alone; what is measured afterwards comes from the network's own float32.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from repro.evaluate.portions import in_portions

Predict = Callable[[slice], Sequence[Tensor]]
"""Which images -> probabilities (C, H, W) float32 of each, without padding."""


class Kept:
    """The probabilities of the first `count` images in `folder`, made by `predict` where they lack."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count

    def fill(self, predict: Predict, batch_size: int, should_stop: Callable[[], bool]) -> bool:
        """Write what lacks, a batch at a time; False if asked to stop. A file is whole or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)

        def portion(batch: slice) -> None:
            if all(self._path(k).exists() for k in range(batch.start, batch.stop)):
                return
            for k, image in enumerate(predict(batch), start=batch.start):
                beside = self.folder / f"{k:05}.{os.getpid()}.npy"
                np.save(beside, image.half().cpu().numpy())
                beside.replace(self._path(k))

        return in_portions(self.count, batch_size, portion, should_stop) is not None

    def read(self, index: int) -> npt.NDArray[np.float16]:
        """(C, H, W) of one image."""
        values: npt.NDArray[np.float16] = np.load(self._path(index))
        return values

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:05}.npy"
