"""Random scale, crop and flip of a batch in one Triton kernel, which reads bytes and writes what a network is given.

What `repro.data.augment.sample` does in some fifty operations. Places are computed in float64, as there, so that exact
hits stay exact and labels are the same; values are interpolated from bytes, not from a grid in float32, and so nearer
to the exact ones.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from repro.spec.protocol import VOID

BLOCK = 256


def sample(
    pixels: Tensor, labels: Tensor, sizes: Tensor, packed: Tensor, crop: int, *, label_padding: int = VOID
) -> tuple[Tensor, Tensor]:
    """`augment.sample`; the images (B, 3, crop, crop) have their channels last."""
    count, (height, width) = len(packed), pixels.shape[1:3]
    images = torch.empty(count, crop, crop, 3, dtype=torch.float32, device=pixels.device)
    chosen = torch.empty(count, crop, crop, dtype=torch.int64, device=pixels.device)
    _row[(count * crop,)](
        pixels, labels, sizes, packed, images, chosen, height, width, crop, label_padding, BLOCK=BLOCK
    )
    return images.permute(0, 3, 1, 2), chosen


@triton.jit
def _place(at, scaled, true):  # type: ignore[no-untyped-def]
    """Where in the stored image a place of the scaled one lies, corners aligned."""
    ratio = (true.to(tl.float64) - 1) / (tl.maximum(scaled - 1, 1)).to(tl.float64)
    return tl.minimum(at.to(tl.float64) * ratio, true.to(tl.float64) - 1)


@triton.jit  # type: ignore[untyped-decorator]
def _row(  # type: ignore[no-untyped-def]
    pixels, labels, sizes, packed, images, chosen, height, width, crop, label_padding, BLOCK: tl.constexpr
):  # fmt: skip
    row = tl.program_id(0)
    drawn = packed + row // crop * 6
    image, scaled_height, scaled_width = tl.load(drawn), tl.load(drawn + 1), tl.load(drawn + 2)
    top, left, mirrored = tl.load(drawn + 3), tl.load(drawn + 4), tl.load(drawn + 5)
    at_row = top + row % crop
    y = _place(at_row, scaled_height, tl.load(sizes + image * 2))
    above = tl.floor(y)
    down = (y - above).to(tl.float32)
    first = above.to(tl.int64)
    second = tl.minimum(first + 1, height - 1)
    nearest_row = tl.floor(y + 0.5).to(tl.int64)
    true_width = tl.load(sizes + image * 2 + 1)
    begin = 0
    while begin < crop:
        column = begin + tl.arange(0, BLOCK)
        there = column < crop
        at = left + tl.where(mirrored != 0, crop - 1 - column, column)
        inside = there & (at < scaled_width) & (at_row < scaled_height)
        x = _place(at, scaled_width, true_width)
        before = tl.floor(x)
        across = (x - before).to(tl.float32)
        one = before.to(tl.int64)
        other = tl.minimum(one + 1, width - 1)
        upper, lower = (image * height + first) * width, (image * height + second) * width
        out = images + (row.to(tl.int64) * crop + column) * 3
        for channel in tl.static_range(3):
            a = tl.load(pixels + (upper + one) * 3 + channel, mask=inside, other=0).to(tl.float32)
            b = tl.load(pixels + (upper + other) * 3 + channel, mask=inside, other=0).to(tl.float32)
            c = tl.load(pixels + (lower + one) * 3 + channel, mask=inside, other=0).to(tl.float32)
            d = tl.load(pixels + (lower + other) * 3 + channel, mask=inside, other=0).to(tl.float32)
            byte = (a * (1 - across) + b * across) * (1 - down) + (c * (1 - across) + d * across) * down
            tl.store(out + channel, tl.where(inside, byte / 127.5 - 1.0, 0.0), mask=there)
        nearest = (image * height + nearest_row) * width + tl.floor(x + 0.5).to(tl.int64)
        label = tl.load(labels + nearest, mask=inside, other=0).to(tl.int64)
        tl.store(chosen + row.to(tl.int64) * crop + column, tl.where(inside, label, label_padding), mask=there)
        begin += BLOCK
