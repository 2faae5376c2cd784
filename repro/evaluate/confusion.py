"""Counting predictions into confusion matrices; what follows from them is in `repro.metrics`."""

from __future__ import annotations

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
    counts = label_counts(truth, prediction, classes)
    check_labels(bool(counts[:, classes:VOID].any()), classes)
    return counts[:, :classes]


def label_counts(truth: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """(N, H, W) integer maps, predictions of which all are classes -> (N, 256, C) int64 counts [image, label,
    prediction], of what is no class too. A GPU is not waited for.
    """
    # one count over all images: void falls behind the classes' rows and is cut off.
    # Selecting the other pixels first would take eight times as long on a CPU
    images, rows = len(truth), VOID + 1
    cell = truth.to(torch.int32).mul_(classes).add_(prediction)
    cell += (torch.arange(images, dtype=torch.int32, device=truth.device) * (rows * classes)).view(-1, 1, 1)
    # bincount asks a GPU for the smallest and the largest value
    count = added_up if truth.is_cuda else torch.bincount
    return count(cell.view(-1), minlength=images * rows * classes).view(images, rows, classes)


def added_up(values: Tensor, minlength: int) -> Tensor:
    """`torch.bincount` of values below `minlength`, without a wait for the device."""
    counts = torch.zeros(minlength, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(0, values.long(), torch.ones_like(counts[:1]).expand_as(values))


def check_labels(others: bool, classes: int) -> None:
    """Raise ValueError where labels `others` than classes and void were counted."""
    if others:
        raise ValueError(f"a label is neither one of {classes} classes nor {VOID}")
