"""Probabilities of some images kept on disk, so that a search over CRF parameters runs the network once.

One file of float16 (C, H, W) for each image, without padding: a VOC photograph takes 8 MB. Half precision is for the
search alone; what is measured afterwards comes from the network's own float32. Each file is NumPy's .npy with a SHA-256
of all that behind it; one that does not match is made again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from repro.evaluate.adaptive_batches import in_adaptive_batches
from repro.files import Damaged, folder, read, remove, write

_CHECKSUM_BYTES = 32

Predict = Callable[[slice], Sequence[Tensor]]
"""Which images -> probabilities (C, H, W) float32 of each, without padding."""


class StoredProbabilities:
    """The probabilities of the first `count` images in `folder`; `tell` hears of damaged ones."""

    def __init__(self, folder: Path, count: int, warn: Callable[[str], None] = lambda _text: None) -> None:
        self.folder, self.count, self._warn = folder, count, warn

    def fill(self, predict: Predict, batch_size: int, should_stop: Callable[[], bool]) -> bool:
        """Make what lacks with `predict`, a batch at a time; False if asked to stop. A file is whole or not there."""
        folder(self.folder)

        def one_batch(batch: slice) -> None:
            if all([self._whole(k) for k in range(batch.start, batch.stop)]):
                return
            for k, image in enumerate(predict(batch), start=batch.start):
                buffer = io.BytesIO()
                np.save(buffer, image.half().cpu().numpy())
                data = buffer.getvalue()
                write(self._path(k), data + hashlib.sha256(data).digest(), durable=False)

        return in_adaptive_batches(self.count, batch_size, one_batch, should_stop) is not None

    def read(self, index: int) -> npt.NDArray[np.float16]:
        """(C, H, W) of one image. Raises Damaged, or OSError."""
        content = read(self._path(index))
        data, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        if hashlib.sha256(data).digest() != checksum:
            raise Damaged("does not match its checksum")
        values: npt.NDArray[np.float16] = np.load(io.BytesIO(data), allow_pickle=False)
        return values

    def _whole(self, index: int) -> bool:
        """Whether an image's file is there and whole; what else is there is removed and told."""
        path = self._path(index)
        try:
            self.read(index)
        except FileNotFoundError:
            remove(path)  # a link that leads nowhere
            return False
        except (Damaged, OSError) as error:
            remove(path)
            self._warn(f"{path}: {error}. Its probabilities are computed again.")
            return False
        return True

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:05}.npy"
