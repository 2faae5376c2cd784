"""Mean IOU from confusion counts, for many confusion matrices at once.

The rule, the only one in this suite: one confusion matrix over the whole set of images; void pixels (255) were never
counted into it; IOU of a class = true positives / (true pixels + predicted pixels - true positives); a class that is
absent from both the truth and the prediction is left out of the mean. Paper v2, v3 and v3+ name the measure only
("pixel intersection-over-union averaged across the classes", v3 section 4); PASCAL VOC's own code defines it so.

Axes: a confusion matrix is (C, C), [truth, prediction], pixel counts. Leading axes (images, seeds) pass through.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def class_sums(confusion: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Return intersections and unions, each (..., C) float64 pixel counts, of confusion matrices (..., C, C).

    Both are sums over images, so the sums of any set of images are the sums of its images' sums: a bootstrap replicate
    needs these two rows per image, never the whole matrix. Counts below 2**53 are exact in float64. One more column,
    (..., C, C + 1), may hold pixels without an answer: they count as ground truth alone.
    """
    intersection = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    truth = confusion.sum(axis=-1, dtype=np.float64)
    prediction = confusion[..., : confusion.shape[-2]].sum(axis=-2, dtype=np.float64)
    return intersection, truth + prediction - intersection


def class_iou(confusion: NDArray[np.integer]) -> Floats:
    """Return IOU by class, (..., C) float64 in [0, 1]; NaN where a class is absent from truth and prediction."""
    intersection, union = class_sums(confusion)
    return np.divide(intersection, union, out=np.full_like(union, np.nan), where=union > 0)


def miou_of_sums(intersection: Floats, union: Floats) -> Floats:
    """Return mean IOU (...,) float64 in [0, 1] of intersections and unions (..., C); NaN if no class is present."""
    present = union > 0
    iou = np.divide(intersection, union, out=np.zeros_like(union), where=present)
    classes = present.sum(axis=-1)
    total = iou.sum(axis=-1)
    return np.asarray(np.divide(total, classes, out=np.full_like(total, np.nan), where=classes > 0))


def miou(confusion: NDArray[np.integer]) -> Floats:
    """Return mean IOU (...,) float64 in [0, 1] of confusion matrices (..., C, C); NaN if nothing was counted."""
    return miou_of_sums(*class_sums(confusion))
