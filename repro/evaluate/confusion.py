"""Confusion matrices, and the one mean IOU rule.

One int64 confusion matrix over the whole set; void (255) never counted; a class absent from both truth and prediction
is left out of the mean (PASCAL VOC's measure; paper v3, section 4).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from repro.spec.protocol import VOID as VOID


def predicted(scores: Tensor, dim: int) -> Tensor:
    """int64 indices of the largest scores along `dim`, of equal ones the first.

    What argmax says; where classes are not the last dimension that takes a CPU four times as long.
    """
    return scores.max(dim).indices


def confusion(truth: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """(N, H, W) integer maps -> (N, C, C) int64 counts [image, truth, prediction], void in the truth left out.

    Raises ValueError for a true label that is neither a class nor void, and for a prediction that is no class.
    """
    if prediction.numel():
        low, high = (int(value) for value in torch.aminmax(prediction))
        if low < 0 or high >= classes:
            raise ValueError(
                f"a prediction is {low if low < 0 else high}; the {classes} classes are 0 to {classes - 1}"
            )
    # one count over all images, a row for each of 256 labels: void falls behind the classes' rows and is cut off.
    # Selecting the other pixels first would take eight times as long on a CPU
    images, rows = len(truth), VOID + 1
    cell = truth.to(torch.int32).mul_(classes).add_(prediction)
    cell += (torch.arange(images, dtype=torch.int32, device=truth.device) * (rows * classes)).view(-1, 1, 1)
    counts = torch.bincount(cell.view(-1), minlength=images * rows * classes).view(images, rows, classes)
    if counts[:, classes:VOID].any():
        raise ValueError(f"a label is neither one of {classes} classes nor {VOID}")
    return counts[:, :classes]


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
