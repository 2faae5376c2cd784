"""A confusion matrix that grows batch by batch: exact under any split into batches and processes.

The papers' rule (v3 section 4; PASCAL VOC's measure): one int64 confusion matrix over the whole set; void pixels of the
ground truth are never counted; a class that is in neither ground truth nor prediction is left out of the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from repro.metrics import class_iou, frequency_weighted_iou, mean_accuracy, miou, pixel_accuracy
from repro.spec.protocol import VOID as VOID

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What one confusion matrix says; every number is a share in [0, 1], NaN where nothing was counted."""

    miou: float
    """Mean IOU over the classes that occur in ground truth or prediction."""
    class_iou: Floats
    """(C,) intersection over union; NaN where a class is in neither ground truth nor prediction."""
    pixel_accuracy: float
    mean_accuracy: float
    """Mean over the classes of the ground truth of the share of their pixels that are right."""
    frequency_weighted_iou: float
    """Sum over classes of their share of the ground truth's pixels times their IOU (Long et al., 2015, section 5)."""
    pixels: int
    """Pixels counted."""


class ConfusionMatrix:
    """Counts of pixels by ground truth and prediction, over as many batches as there are.

    >>> matrix = ConfusionMatrix(classes=21)
    >>> for images, truth in batches:
    ...     matrix.update(network(images), truth)
    >>> matrix.compute().miou

    Two matrices `merge` into the one that all their images together would have given, bit for bit: counts are integers.
    """

    def __init__(self, classes: int, void: int = VOID) -> None:
        """Count `classes` classes, labels 0 to classes - 1; ground truth `void` (any integer) is not counted."""
        if not 0 < classes <= 4096:
            raise ValueError(f"classes: {classes} is not between 1 and 4096")
        if 0 <= void < classes:
            raise ValueError(f"void: {void} is one of the classes 0 to {classes - 1}")
        self.classes = classes
        self.void = void
        self.counts: Counts = np.zeros((classes, classes), np.int64)
        """(C, C) pixels, [ground truth, prediction]."""

    def update(self, prediction: Any, truth: Any) -> Self:
        """Count a batch.

        `truth`: (H, W) or (N, H, W) integers. `prediction`: integers of the same shape, or scores of classes, floating
        point, (C, H, W) or (N, C, H, W), whose largest counts. NumPy arrays, tensors on any device, nested lists.
        Raises ValueError for shapes that differ and labels that are neither a class nor void; nothing is counted then.
        """
        right, answered = as_array(truth), as_array(prediction)
        if answered.dtype.kind == "f":
            answered = self._largest(answered, right.ndim)
        self.counts += count(answered, right, self.classes, self.void)
        return self

    def merge(self, *others: ConfusionMatrix) -> Self:
        """Add what other matrices (of other processes, say) have counted."""
        for other in others:
            if (other.classes, other.void) != (self.classes, self.void):
                raise ValueError(
                    f"a matrix of {other.classes} classes and void {other.void} cannot be merged into one of "
                    f"{self.classes} classes and void {self.void}"
                )
            self.counts += other.counts
        return self

    def compute(self) -> Scores:
        """Return the scores of everything counted so far."""
        return scores(self.counts)

    def reset(self) -> Self:
        """Forget every count."""
        self.counts[:] = 0
        return self

    def state(self) -> dict[str, Any]:
        """Return what `from_state` needs: plain integers and lists, to send between processes or to write as JSON."""
        return {"classes": self.classes, "void": self.void, "counts": self.counts.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the matrix whose `state` this is."""
        matrix = cls(int(state["classes"]), int(state["void"]))
        counts = np.asarray(state["counts"], np.int64)
        if counts.shape != matrix.counts.shape or (counts < 0).any():
            raise ValueError(f"state: counts of shape {counts.shape} are not those of {matrix.classes} classes")
        matrix.counts += counts
        return matrix

    def __repr__(self) -> str:
        return f"ConfusionMatrix(classes={self.classes}, void={self.void}, pixels={int(self.counts.sum())})"

    def _largest(self, scores: NDArray[Any], truth_dimensions: int) -> NDArray[Any]:
        if scores.ndim != truth_dimensions + 1 or scores.shape[-3] != self.classes:
            raise ValueError(
                f"prediction: floating-point scores must have shape (N, {self.classes}, H, W) or ({self.classes}, H, "
                f"W), not {scores.shape}; label maps must be integers"
            )
        return np.asarray(scores.argmax(axis=-3))


def count(prediction: NDArray[Any], truth: NDArray[Any], classes: int, void: int = VOID) -> Counts:
    """Integer label maps of one shape -> (C, C) int64 counts, [ground truth, prediction], void left out.

    Raises ValueError for shapes that differ, and for labels (of counted pixels) that are neither a class nor void.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, ground truth {truth.shape}")
    for name, labels in (("prediction", prediction), ("ground truth", truth)):
        if labels.dtype.kind not in "uib":
            raise ValueError(f"{name}: labels must be integers, not {labels.dtype}")
    counted = truth != void
    right, answered = truth[counted].astype(np.int64), prediction[counted].astype(np.int64)
    for name, labels in (("prediction", answered), ("ground truth", right)):
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            raise ValueError(f"{name}: label {labels[wrong][0]} is not one of the {classes} classes 0 to {classes - 1}")
    return np.bincount(right * classes + answered, minlength=classes * classes).reshape(classes, classes)


def scores(counts: NDArray[np.integer]) -> Scores:
    """(C, C) pixels, [ground truth, prediction] -> scores; one more column may hold pixels without an answer."""
    return Scores(
        miou=float(miou(counts)),
        class_iou=class_iou(counts),
        pixel_accuracy=float(pixel_accuracy(counts)),
        mean_accuracy=float(mean_accuracy(counts)),
        frequency_weighted_iou=float(frequency_weighted_iou(counts)),
        pixels=int(counts.sum()),
    )


def as_array(value: Any) -> NDArray[Any]:
    """Return a tensor of any device, an array or nested lists as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.float()  # NumPy has no bfloat16
        value = value.numpy()
    return np.asarray(value)
