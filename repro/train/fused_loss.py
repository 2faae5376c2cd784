"""Bilinear upsampling and cross-entropy in one Triton kernel: logits are read at their own resolution, once.

Upsampled logits, N x C x H x W float32, are never in memory; operation by operation they and their softmax are written
and read some ten times. Between four neighbouring logits lies a patch of the label map. A program computes a patch: it
interpolates and normalises each pixel's scores, sums the loss, and, as softmax minus one-hot is then at hand, the
gradient of the four logits. Sums over patches are in a fixed order: the same bits each time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from repro.nets.resize import weights
from repro.spec.protocol import VOID

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Of a patch, down and to the right."""
LEAST = float(np.log(np.finfo(np.float32).tiny))
"""A logarithm of a probability is at least that, as in the loss without kernels."""


def upsampled_cross_entropy(logits: Tensor, labels: Tensor, align_corners: bool, count: Tensor | None) -> Tensor:
    """Mean cross-entropy over the pixels that are not void, of logits upsampled to the labels' size.

    logits (N, C, h, w) float32 or bfloat16, of any layout; labels (N, H, W) int64. `count`: what to divide by, else the
    labels' own pixels. With gradient, whose layout has the channels last.
    """
    return _UpsampledCrossEntropy.apply(logits, labels, align_corners, count)  # type: ignore[no-any-return, no-untyped-call]


class _UpsampledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, align_corners: bool, count: Tensor | None) -> Tensor:
        n, classes, height, width = logits.shape
        rows, columns = (
            _along(before, after, logits.device, align_corners)
            for before, after in zip((height, width), labels.shape[1:], strict=True)
        )
        patches = max(height - 1, 1), max(width - 1, 1)
        losses = torch.empty(n, *patches, dtype=torch.float32, device=logits.device)
        shares = torch.empty(n, *patches, 4, classes, dtype=torch.float32, device=logits.device)
        widest = -(-labels.shape[2] // patches[1])
        _patch[(n * patches[0] * patches[1],)](
            logits, *logits.stride(), labels.contiguous(), *labels.shape[1:], *rows, *columns, losses, shares,
            height, width, classes, *patches, LEAST, VOID,
            CLASSES=triton.next_power_of_2(classes), PIXELS=min(max(triton.next_power_of_2(widest), 4), 64),
        )  # fmt: skip
        count = ((labels != VOID).sum() if count is None else count).clamp(min=1)
        gradient = shares.new_zeros(n, patches[0] + 1, patches[1] + 1, classes)
        for corner, (down, right) in enumerate(CORNERS):
            gradient[:, down : down + patches[0], right : right + patches[1]] += shares[:, :, :, corner]
        # of a map one logit high or wide the second corner lies beyond it, with weight 0
        ctx.save_for_backward(gradient[:, :height, :width].div_(count).permute(0, 3, 1, 2))
        ctx.dtype = logits.dtype
        return losses.sum() / count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,), (factor,) = ctx.saved_tensors, gradients
        return (gradient * factor).to(ctx.dtype), None, None, None


@lru_cache(maxsize=64)
def _along(before: int, after: int, device: torch.device, align_corners: bool) -> tuple[Tensor, Tensor]:
    """Along a side: where each patch begins (patches + 1,) int32, each pixel's weight of its patch's second logit."""
    found = weights(before, after, torch.device("cpu"), torch.float64, align_corners)
    if before == 1:
        begins, second = torch.tensor([0, after]), torch.zeros(after)
    else:
        # the first logit that a pixel reads; one that reads the last logit alone belongs to the last patch
        first = (found > 0).int().argmax(dim=1).clamp(max=before - 2)
        second = found.gather(1, first[:, None] + 1)[:, 0]
        begins = torch.searchsorted(first, torch.arange(before))
        begins[-1] = after
    return begins.int().to(device), second.float().to(device)


@triton.jit  # type: ignore[untyped-decorator]
def _patch(  # type: ignore[no-untyped-def]
    logits, at_image, at_class, at_row, at_column, labels, out_height, out_width,
    row_begins, row_weights, column_begins, column_weights, losses, shares,
    height, width, classes, patch_rows, patch_columns, least, void,
    CLASSES: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    patch = tl.program_id(0)
    image = (patch // (patch_rows * patch_columns)).to(tl.int64)
    i = patch // patch_columns % patch_rows
    j = patch % patch_columns
    c = tl.arange(0, CLASSES)
    there = c < classes
    # the four logits; beyond a map that is one high or wide, the same again
    below, beside = tl.minimum(i + 1, height - 1), tl.minimum(j + 1, width - 1)
    base = logits + image * at_image + c * at_class
    a00 = tl.load(base + i * at_row + j * at_column, mask=there, other=0.0).to(tl.float32)
    a01 = tl.load(base + i * at_row + beside * at_column, mask=there, other=0.0).to(tl.float32)
    a10 = tl.load(base + below * at_row + j * at_column, mask=there, other=0.0).to(tl.float32)
    a11 = tl.load(base + below * at_row + beside * at_column, mask=there, other=0.0).to(tl.float32)
    g00, g01 = tl.zeros((CLASSES,), tl.float32), tl.zeros((CLASSES,), tl.float32)
    g10, g11 = tl.zeros((CLASSES,), tl.float32), tl.zeros((CLASSES,), tl.float32)
    loss = tl.zeros((PIXELS,), tl.float32)
    first_column, end_column = tl.load(column_begins + j), tl.load(column_begins + j + 1)
    y, end_row = tl.load(row_begins + i), tl.load(row_begins + i + 1)
    while y < end_row:  # Triton's interpreter has no `range` of loaded numbers with today's NumPy
        down = tl.load(row_weights + y)
        left = a00 * (1 - down) + a10 * down
        right = a01 * (1 - down) + a11 * down
        begin = first_column
        while begin < end_column:
            x = begin + tl.arange(0, PIXELS)
            inside = x < end_column
            across = tl.load(column_weights + x, mask=inside, other=0.0)
            label = tl.load(labels + (image * out_height + y) * out_width + x, mask=inside, other=void)
            counted = label != void
            scores = left[None, :] * (1 - across[:, None]) + right[None, :] * across[:, None]
            scores = tl.where(there[None, :], scores, float("-inf"))
            powers = scores - tl.max(scores, axis=1)[:, None]
            exponentials = tl.exp(powers)
            total = tl.sum(exponentials, axis=1)
            truth = c[None, :] == label[:, None]
            right_one = tl.sum(tl.where(truth, powers, 0.0), axis=1) - tl.log(total)
            loss += tl.where(counted, -tl.maximum(right_one, least), 0.0)
            towards = exponentials / total[:, None] - tl.where(truth, 1.0, 0.0)
            towards = tl.where(counted[:, None], towards, 0.0)
            of_left = tl.sum(towards * (1 - across[:, None]), axis=0)
            of_right = tl.sum(towards * across[:, None], axis=0)
            g00 += of_left * (1 - down)
            g10 += of_left * down
            g01 += of_right * (1 - down)
            g11 += of_right * down
            begin += PIXELS
        y += 1
    tl.store(losses + patch, tl.sum(loss, axis=0))
    place = shares + patch.to(tl.int64) * 4 * classes + c
    tl.store(place, g00, mask=there)
    tl.store(place + classes, g01, mask=there)
    tl.store(place + 2 * classes, g10, mask=there)
    tl.store(place + 3 * classes, g11, mask=there)
