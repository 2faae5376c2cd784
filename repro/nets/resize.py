"""Bilinear resizing with aligned corners, as two matrix products.

Every resize in the papers' released code aligns corners. Written as products with two interpolation matrices the
backward pass is two products as well: deterministic on every device, and faster than the scattered one on CPUs.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def matrix(size_in: int, size_out: int) -> Tensor:
    """(size_out, size_in) float32 interpolation weights; output i reads at i (size_in - 1) / (size_out - 1)."""
    if size_out == 1 or size_in == 1:
        weights = torch.zeros(size_out, size_in, device="cpu")
        weights[:, 0] = 1.0
        return weights
    # on the CPU even inside `with torch.device(...)`: the result is kept for later calls
    at = torch.arange(size_out, dtype=torch.float64, device="cpu") * (size_in - 1) / (size_out - 1)
    low = at.floor().clamp(max=size_in - 2).long()
    part = at - low
    weights = torch.zeros(size_out, size_in, dtype=torch.float64, device="cpu")
    rows = torch.arange(size_out, device="cpu")
    weights[rows, low] = 1 - part
    weights[rows, low + 1] += part
    return weights.float()


def scaled_side(side: int, scale: float) -> int:
    """Side of an input at a scale, of the form 16 k + 1 where the input's is: int((side - 1) scale + 1)."""
    return int((side - 1) * scale + 1)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, *size), bilinear, corners aligned; dtype kept."""
    height, width = x.shape[-2:]
    if (height, width) == tuple(size):
        return x
    rows = matrix(height, size[0]).to(x.device, x.dtype)
    columns = matrix(width, size[1]).to(x.device, x.dtype)
    return rows @ (x.contiguous() @ columns.T)
