"""Bilinear resizing with aligned corners, as two matrix products.

Every resize in the papers' released code aligns corners. Written as products with two interpolation matrices the
backward pass is two products as well: deterministic on every device, and faster than the scattered one on CPUs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor


def weights(
    size_in: int, size_out: int, device: torch.device, dtype: torch.dtype, align_corners: bool = True
) -> Tensor:
    """(size_out, size_in) interpolation weights; output i reads at i (size_in - 1) / (size_out - 1).

    Without aligned corners it reads at (i + 1/2) size_in / size_out - 1/2, or at the border beyond it. Made on the
    device itself: torch.compile takes this into its graph, where a copy from the host would be made at every step, and
    no CUDA graph can hold one.
    """
    table = torch.zeros(size_out, size_in, dtype=torch.float64, device=device)
    if size_in == 1 or (size_out == 1 and align_corners):
        table[:, 0].fill_(1.0)  # assigned, the number would be a tensor on the host in a compiled graph
    else:
        at = torch.arange(size_out, dtype=torch.float64, device=device)
        if align_corners:
            at = at * (size_in - 1) / (size_out - 1)
        else:
            at = ((at + 0.5) * size_in / size_out - 0.5).clamp(0, size_in - 1)
        low = at.floor().clamp(max=size_in - 2).long()
        part = at - low
        rows = torch.arange(size_out, device=device)
        table[rows, low] = 1 - part
        table[rows, low + 1] += part
    return table.to(dtype)


@lru_cache(maxsize=128)
def matrix(size_in: int, size_out: int, device: torch.device, dtype: torch.dtype, align_corners: bool) -> Tensor:
    """`weights`, kept for later calls, so not tied to inference mode."""
    with torch.inference_mode(False):
        return weights(size_in, size_out, device, dtype, align_corners)


def scaled_side(side: int, scale: float) -> int:
    """Side of an input at a scale, of the form 16 k + 1 where the input's is: int((side - 1) scale + 1)."""
    return int((side - 1) * scale + 1)


def resize(x: Tensor, size: tuple[int, int], *, align_corners: bool = True) -> Tensor:
    """(N, C, h, w) -> (N, C, *size), bilinear, corners aligned unless told otherwise; dtype kept."""
    if x.shape[-2:] == torch.Size(size):
        return x
    rows, columns = _both(x, size, align_corners)
    with _unmixed(x):
        return rows @ (x.contiguous() @ columns.T)


def resize_maps(x: Tensor, size: tuple[int, int], *, align_corners: bool = True) -> Tensor:
    """`resize` inside a network: on a GPU the result has its channels last, as convolutions there want them."""
    if not x.is_cuda or x.shape[-2:] == torch.Size(size):
        return resize(x, size, align_corners=align_corners)
    return with_channels_last(x, size, align_corners)


def with_channels_last(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    """`resize` whose products have the channels of a pixel side by side, and whose result has too."""
    rows, columns = _both(x, size, align_corners)
    n, channels, height, width = x.shape
    with _unmixed(x):
        # batches of products, as `@` may copy to make one product of them
        maps = x.permute(0, 2, 3, 1).reshape(n * height, width, channels)
        maps = torch.bmm(columns.expand(n * height, -1, -1), maps)
        maps = maps.view(n, height, size[1] * channels)
        maps = torch.bmm(rows.expand(n, -1, -1), maps)
    return maps.view(n, *size, channels).permute(0, 3, 1, 2)


def _both(x: Tensor, size: tuple[int, int], align_corners: bool) -> tuple[Tensor, Tensor]:
    """Interpolation weights of rows and of columns."""
    made = weights if torch.compiler.is_compiling() else matrix  # it would trace what is kept, and warn of it
    sides = zip(x.shape[-2:], size, strict=True)
    rows, columns = (made(before, after, x.device, x.dtype, align_corners) for before, after in sides)
    return rows, columns


def _unmixed(x: Tensor) -> AbstractContextManager[object]:
    """A context in which a float32 image stays one."""
    mixed = x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)
    return torch.autocast(x.device.type, enabled=False) if mixed else nullcontext()
