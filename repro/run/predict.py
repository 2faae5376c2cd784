"""Label any picture with a trained cell of the store, by that cell's own inference strategy.

Size: a picture is seen as the cell's images are. Where the protocol resizes images (`data.side`) its longer side gets
that many pixels; a picture that is then still larger than the canvas is made smaller until it fits, and one that is
smaller is padded. Labels are made at that size and brought back to the picture's own, each pixel from the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from repro.data.images import VOID, PaddedSplit, resize_labels, resize_photo, resized
from repro.evaluate.measure import measure
from repro.plan.work import Evaluation
from repro.run.compute import load_weights
from repro.store.store import Store

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained cell: its weights and how it is evaluated."""

    evaluation: Evaluation
    key: str
    """Of the stored training."""
    crf: dict[str, float] | None = None
    """Parameters that the cell's own evaluation searched and found; None where it searches none."""


def seen_size(size: tuple[int, int], side: int | None, canvas: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a picture of `size` is labelled."""
    height, width = resized(size, side)
    shrink = min(1.0, canvas[0] / height, canvas[1] / width)
    return max(1, int(height * shrink + 1e-9)), max(1, int(width * shrink + 1e-9))


def label(pictures: Sequence[Pixels], network: TrainedNetwork, store: Store, device: torch.device) -> list[Pixels]:
    """(H, W, 3) uint8 RGB each -> (H, W) uint8 classes each. Raises InputError as `measure` does."""
    evaluation = network.evaluation
    evaluate = evaluation.strategy
    if evaluate.crf is not None and network.crf is not None:
        evaluate = evaluate.model_copy(update={"crf": evaluate.crf.model_copy(update=network.crf)})
    state = load_weights(store, network.key)
    data = evaluation.images.data
    labels = []
    for picture in pictures:
        own = (picture.shape[0], picture.shape[1])
        size = seen_size(own, data.side, evaluate.canvas)
        # one at a time, without labels: what is kept of the first picture is the prediction
        shown = PaddedSplit(
            pixels=resize_photo(picture, size)[None],
            labels=np.full((1, *size), VOID, dtype=np.uint8),
            sizes=np.array([size], dtype=np.int32),
            names=("picture",),
        )
        measured = measure(evaluation.training.model, data.classes, [evaluate], state, shown, device)
        if measured is None:
            raise RuntimeError("stopped although nobody asked for it")
        labels.append(resize_labels(measured[0].pictures.prediction[0], own))
    return labels


def found_crf(record: dict[str, Any] | None) -> dict[str, float] | None:
    """The CRF parameters that a stored evaluation searched; None where it searched none."""
    search = (record or {}).get("result", {}).get("search")
    return {name: float(search[name]) for name in ("w1", "sigma_alpha", "sigma_beta")} if search else None
