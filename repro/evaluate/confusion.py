"""Confusion matrices, and the one mean IOU rule.

One int64 confusion matrix over the whole set; void (255) never counted; a class absent from both truth and prediction
is left out of the mean (PASCAL VOC's measure; paper v3, section 4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

VOID = 255


def confusion(truth: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """(N, H, W) integer maps -> (N, C, C) int64 counts [image, truth, prediction], void in the truth left out."""
    images = len(truth)
    cell = truth.long() * classes + prediction.long()
    cell += torch.arange(images, device=truth.device).view(-1, 1, 1) * classes * classes
    counts = torch.bincount(cell[truth != VOID], minlength=images * classes * classes)
    return counts.view(images, classes, classes)


def class_iou(matrix: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """(..., C, C) counts -> (..., C) intersection over union; NaN where a class is in neither truth nor prediction."""
    both = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    union = matrix.sum(axis=-1, dtype=np.int64) + matrix.sum(axis=-2, dtype=np.int64) - both
    out = np.full(both.shape, np.nan)
    np.divide(both, union, out=out, where=union > 0)
    return out


def mean_iou(matrix: npt.NDArray[np.integer]) -> float:
    """(C, C) counts -> mean IOU in [0, 1] over the classes that occur; NaN if none does."""
    per_class = class_iou(matrix)
    return float(per_class[~np.isnan(per_class)].mean()) if not np.isnan(per_class).all() else float("nan")


def image_mean_iou(matrices: npt.NDArray[np.integer]) -> float:
    """(N, C, C) counts -> the mean over images of their own mean IOU; NaN if no image has a scored pixel.

    A known mistake: it leaves out, image by image, every class that is neither there nor predicted.
    """
    own = [value for matrix in matrices if not np.isnan(value := mean_iou(matrix))]
    return float(np.mean(own)) if own else float("nan")
