"""Losses: cross-entropy per pixel, and class presence per image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from repro.nets.resize import resize

VOID = 255


def pixel_loss(logits: Tensor, labels: Tensor, *, upsample_logits: bool) -> Tensor:
    """Mean cross-entropy over the pixels of the batch that are not void.

    logits (N, C, h, w), labels (N, H, W) int64. Either the logits are upsampled to the labels (paper v3, section 4.1)
    or the labels are subsampled to the logits (v2; v3 Table 8): exact subsampling, since corners are aligned.
    A batch that is all void has loss 0.
    """
    if upsample_logits:
        logits = resize(logits, (labels.shape[1], labels.shape[2]))
    else:
        labels = subsample(labels, (logits.shape[2], logits.shape[3]))
    total = functional.cross_entropy(logits.float(), labels, ignore_index=VOID, reduction="sum")
    return total / (labels != VOID).sum().clamp(min=1)


def subsample(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest labels on a grid of `size` whose corners are those of the label map."""
    height, width = labels.shape[-2:]
    rows = [round(i * (height - 1) / max(size[0] - 1, 1)) for i in range(size[0])]
    columns = [round(i * (width - 1) / max(size[1] - 1, 1)) for i in range(size[1])]
    return labels[:, rows][:, :, columns]


def presence_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of "class c has a pixel"; logits (N, C), labels (N, H, W) int64 with void 255."""
    seen = torch.zeros(len(labels), 256, device=logits.device).scatter_(1, labels.flatten(1), 1.0)
    return functional.binary_cross_entropy_with_logits(logits.float(), seen[:, : logits.shape[1]])
