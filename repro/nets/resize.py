"""Bilinear resizing with aligned corners, as two matrix products.

Every resize in the papers' released code aligns corners. Written as products with two interpolation matrices the
backward pass is two products as well: deterministic on every device, and faster than the scattered one on CPUs.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=128)
def matrix(size_in: int, size_out: int, device: torch.device, dtype: torch.dtype, align_corners: bool = True) -> Tensor:
    """(size_out, size_in) interpolation weights; output i reads at i (size_in - 1) / (size_out - 1).

    Without aligned corners it reads at (i + 1/2) size_in / size_out - 1/2, or at the border beyond it.
    """
    # kept for later calls, so neither tied to inference mode nor to `with torch.device(...)`
    with torch.inference_mode(False):
        if size_in == 1 or (size_out == 1 and align_corners):
            weights = torch.zeros(size_out, size_in, dtype=torch.float64, device="cpu")
            weights[:, 0] = 1.0
        else:
            at = torch.arange(size_out, dtype=torch.float64, device="cpu")
            if align_corners:
                at = at * (size_in - 1) / (size_out - 1)
            else:
                at = ((at + 0.5) * size_in / size_out - 0.5).clamp(0, size_in - 1)
            low = at.floor().clamp(max=size_in - 2).long()
            part = at - low
            weights = torch.zeros(size_out, size_in, dtype=torch.float64, device="cpu")
            rows = torch.arange(size_out, device="cpu")
            weights[rows, low] = 1 - part
            weights[rows, low + 1] += part
        return weights.to(device, dtype)


def scaled_side(side: int, scale: float) -> int:
    """Side of an input at a scale, of the form 16 k + 1 where the input's is: int((side - 1) scale + 1)."""
    return int((side - 1) * scale + 1)


def resize(x: Tensor, size: tuple[int, int], *, align_corners: bool = True) -> Tensor:
    """(N, C, h, w) -> (N, C, *size), bilinear, corners aligned unless told otherwise; dtype kept."""
    height, width = x.shape[-2:]
    if (height, width) == tuple(size):
        return x
    rows = matrix(height, size[0], x.device, x.dtype, align_corners)
    columns = matrix(width, size[1], x.device, x.dtype, align_corners)
    mixed = x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)
    with torch.autocast(x.device.type, enabled=False) if mixed else nullcontext():  # a float32 image stays one
        return rows @ (x.contiguous() @ columns.T)
