"""Losses: cross-entropy per pixel, and class presence per image."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from repro.nets.resize import resize
from repro.spec.protocol import VOID as VOID


def pixel_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    upsample_logits: bool,
    align_corners: bool = True,
    count: Tensor | None = None,
    fused: bool = False,
) -> Tensor:
    """Mean cross-entropy over the pixels of the batch that are not void.

    logits (N, C, h, w), labels (N, H, W) int64. Either the logits are upsampled to the labels (paper v3, section 4.1)
    or the labels are subsampled to the logits (v2; v3 Table 8): exact subsampling, since corners are aligned.
    A batch that is all void has loss 0. `count` is the number to divide by where this is a part of a batch.
    `fused`: by one Triton kernel.
    """
    if fused:
        from repro.train.fused_loss import upsampled_cross_entropy  # Triton is not everywhere

        seen = labels if upsample_logits else subsample(labels, (logits.shape[2], logits.shape[3]))
        return upsampled_cross_entropy(logits, seen, align_corners, count)
    logits = logits.float()
    if logits.is_cuda:
        logits = Planes.apply(logits)  # type: ignore[no-untyped-call]
    if upsample_logits:
        logits = resize(logits, (labels.shape[1], labels.shape[2]), align_corners=align_corners)
    else:
        labels = subsample(labels, (logits.shape[2], logits.shape[3]))
    return _CrossEntropy.apply(logits, labels, count)  # type: ignore[no-any-return, no-untyped-call]


class Planes(torch.autograd.Function):
    """A network's logits class by class, as what follows wants them; their gradient again with the channels last."""

    @staticmethod
    def forward(_ctx: Any, logits: Tensor) -> Tensor:
        return logits.contiguous()

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous(memory_format=torch.channels_last)


class _CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy over non-void pixels.

    The gradient, softmax minus one-hot, is made in the forward pass where the softmax is at hand: on CPUs this takes a
    third of the time of log_softmax and nll_loss with their backward passes, which were a quarter of a narrow step.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, count: Tensor | None) -> Tensor:
        void = (labels == VOID)[:, None]
        index = labels[:, None].masked_fill(void, 0)
        count = ((~void).sum() if count is None else count).clamp(min=1)
        gradient = logits.softmax(dim=1)
        right = gradient.gather(1, index)
        # below the smallest normal number the logarithm would be -inf; a logit 87 below the largest is as wrong
        loss = right.clamp(min=torch.finfo(right.dtype).tiny).log().masked_fill(void, 0).sum().neg() / count
        gradient.scatter_(1, index, right - 1)
        gradient.mul_((~void) / count)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (factor,) = ctx.saved_tensors, gradients
        if factor.device.type == "cpu" and factor == 1:  # asking a GPU would wait for it
            return gradient, None, None
        return gradient * factor, None, None


def subsample(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest labels on a grid of `size` whose corners are those of the label map."""
    rows, columns = (_evenly(count, full, labels.device) for count, full in zip(size, labels.shape[-2:], strict=True))
    return labels[:, rows][:, :, columns]


@lru_cache(maxsize=16)
def _evenly(count: int, full: int, device: torch.device) -> Tensor:
    """`count` of `full` places, the first and the last among them; kept, as copying them makes a GPU wait."""
    return torch.tensor([round(i * (full - 1) / max(count - 1, 1)) for i in range(count)], device=device)


def presence_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of "class c has a pixel"; logits (N, C), labels (N, H, W) int64 with void 255."""
    seen = torch.zeros(len(labels), 256, device=logits.device).scatter_(1, labels.flatten(1), 1.0)
    return functional.binary_cross_entropy_with_logits(logits.float(), seen[:, : logits.shape[1]])
