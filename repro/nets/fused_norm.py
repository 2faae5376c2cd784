"""Batch normalisation, addition of a shortcut and rectifier of a training in Triton kernels: 3 + 5 passes over a map.

Operation by operation the three read and write maps 8 times forward and 11 times backward. Here the statistics read a
map once, the result reads it again and is written; backward the sums read the map and what comes in, the gradient reads
both again and is written. What was rectified follows from the map itself. A shortcut adds one reading each time, and
its own gradient. Maps are rows of channels (channels last); sums are in a fixed order.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from repro.nets.layers import ConvBN
from repro.nets.resnet import ResNet

PARTS = 128
"""Parts of a map whose sums are taken side by side, a power of two, at most."""
ROWS = 32
"""Rows of a map that a program has in hand."""


class FusedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with the rectifier behind it, and what is added in between; the same parameters and averages."""

    def __init__(self, like: nn.BatchNorm2d) -> None:
        super().__init__(like.num_features, like.eps, like.momentum)
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked

    def forward(self, input: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """relu(normalised (N, C, H, W) + shortcut)."""
        if not self.training:
            out = super().forward(input)
            return torch.relu(out if shortcut is None else out + shortcut)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        averages = self.running_mean, self.running_var
        return _Normalised.apply(input, shortcut, self.weight, self.bias, *averages, self.momentum or 0.0, self.eps)  # type: ignore[no-any-return, no-untyped-call]


def fuse_batch_norm(network: nn.Module) -> None:
    """Let a network's normalisations that learn rectify, too, and in residual units of `ResNet` add; in place."""
    for module in [module for module in network.modules() if type(module) is ConvBN]:
        if len(module) == 3 and module.norm.training:
            module[1], module[2] = FusedBatchNorm2d(module.norm), nn.Identity()
    for backbone in [module for module in network.modules() if isinstance(module, ResNet)]:
        for unit in backbone.units_that_add():
            if unit.conv3.norm.training:
                unit.conv3[1] = FusedBatchNorm2d(unit.conv3.norm)
                unit.adds_in_norm = True


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        shortcut: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        added = x if shortcut is None else shortcut.contiguous(memory_format=torch.channels_last)
        rows, channels = x.numel() // x.shape[1], x.shape[1]
        plan = _Plan(rows, channels)
        first, second = (torch.empty(plan.parts, channels, device=x.device) for _ in range(2))
        mean, inverse = (torch.empty(channels, device=x.device) for _ in range(2))
        out = torch.empty_like(x)
        shape = {"CHANNELS": plan.channels, "ROWS": ROWS}
        _statistics[plan.grid](x, first, second, rows, channels, plan.each, **shape)
        _merge[plan.blocks,](
            first, second, mean, inverse, running_mean, running_var, rows, channels, plan.parts, plan.each,
            momentum, eps, PARTS=plan.padded, CHANNELS=plan.channels,
        )  # fmt: skip
        _apply[plan.grid](
            x, added, out, mean, inverse, weight, bias, rows, channels, plan.each, ADDS=shortcut is not None, **shape
        )
        ctx.save_for_backward(x, added, mean, inverse, weight, bias)
        ctx.adds = shortcut is not None
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, added, mean, inverse, weight, bias = ctx.saved_tensors
        towards = gradients[0].contiguous(memory_format=torch.channels_last)
        rows, channels = x.numel() // x.shape[1], x.shape[1]
        plan = _Plan(rows, channels)
        first, second = (torch.empty(plan.parts, channels, device=x.device) for _ in range(2))
        of_bias, of_weight = (torch.empty(channels, device=x.device) for _ in range(2))
        of_x = torch.empty_like(x)
        of_shortcut = torch.empty_like(added) if ctx.adds else of_x
        given = x, added, towards, mean, inverse, weight, bias
        shape = {"ADDS": ctx.adds, "CHANNELS": plan.channels, "ROWS": ROWS}
        _sums[plan.grid](*given, first, second, rows, channels, plan.each, **shape)
        _add_up[plan.blocks,](
            first, second, of_bias, of_weight, channels, plan.parts, PARTS=plan.padded, CHANNELS=plan.channels
        )
        _gradient[plan.grid](*given, of_bias, of_weight, of_x, of_shortcut, rows, channels, plan.each, **shape)
        return of_x, of_shortcut if ctx.adds else None, of_weight, of_bias, None, None, None, None


class _Plan:
    """How a map of rows of channels is cut: `parts` of `each` rows, and blocks of channels."""

    def __init__(self, rows: int, channels: int) -> None:
        self.channels = min(triton.next_power_of_2(channels), 64)
        self.blocks = -(-channels // self.channels)
        self.each = -(-rows // min(PARTS, -(-rows // ROWS)))
        self.parts = -(-rows // self.each)
        self.padded = triton.next_power_of_2(self.parts)
        self.grid = (self.parts, self.blocks)


@triton.jit  # type: ignore[untyped-decorator]
def _block(CHANNELS: tl.constexpr, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Channels of this program, and a tile's rows."""
    return tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, ROWS)


@triton.jit  # type: ignore[untyped-decorator]
def _statistics(x, means, squares, rows, channels, each, CHANNELS: tl.constexpr, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """A part's mean, and sum of squares around it; summed from its first row's values, which loses fewer digits."""
    part = tl.program_id(0)
    c, r = _block(CHANNELS, ROWS)
    begin = part * each
    end = tl.minimum(begin + each, rows)
    near = tl.load(x + begin.to(tl.int64) * channels + c, mask=c < channels, other=0.0).to(tl.float32)
    total, square = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    at = begin
    while at < end:
        there = (at + r < end)[:, None] & (c < channels)[None, :]
        place = (at + r).to(tl.int64)[:, None] * channels + c[None, :]
        value = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
        apart = tl.where(there, value - near[None, :], 0.0)
        total += tl.sum(apart, axis=0)
        square += tl.sum(apart * apart, axis=0)
        at += ROWS
    count = (end - begin).to(tl.float32)
    tl.store(means + part * channels + c, near + total / count, mask=c < channels)
    tl.store(squares + part * channels + c, square - total * total / count, mask=c < channels)


@triton.jit  # type: ignore[untyped-decorator]
def _merge(  # type: ignore[no-untyped-def]
    means, squares, mean, inverse, running_mean, running_var, rows, channels, parts, each, momentum, eps,
    PARTS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """The whole map's mean and inverse deviation; moves the averages, the variance's unbiased."""
    c, p = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, PARTS)
    there = (p < parts)[:, None] & (c < channels)[None, :]
    place = p[:, None] * channels + c[None, :]
    count = tl.where(p < parts, tl.minimum(each, rows - p * each), 0).to(tl.float32)
    own = tl.load(means + place, mask=there, other=0.0)
    whole = tl.sum(own * count[:, None], axis=0) / rows
    apart = tl.where(there, own - whole[None, :], 0.0)
    square = tl.sum(tl.load(squares + place, mask=there, other=0.0) + apart * apart * count[:, None], axis=0)
    tl.store(mean + c, whole, mask=c < channels)
    tl.store(inverse + c, 1.0 / tl.sqrt(square / rows + eps), mask=c < channels)
    before = tl.load(running_mean + c, mask=c < channels, other=0.0)
    tl.store(running_mean + c, before + momentum * (whole - before), mask=c < channels)
    before = tl.load(running_var + c, mask=c < channels, other=0.0)
    unbiased = square / tl.maximum(rows - 1, 1)
    tl.store(running_var + c, before + momentum * (unbiased - before), mask=c < channels)


@triton.jit
def _line(mean, inverse, weight, bias, c, channels):  # type: ignore[no-untyped-def]
    """Scale and shift of each channel, and its mean and inverse deviation."""
    m = tl.load(mean + c, mask=c < channels, other=0.0)
    i = tl.load(inverse + c, mask=c < channels, other=0.0)
    scale = tl.load(weight + c, mask=c < channels, other=0.0) * i
    return scale, tl.load(bias + c, mask=c < channels, other=0.0) - m * scale, m, i


@triton.jit  # type: ignore[untyped-decorator]
def _apply(  # type: ignore[no-untyped-def]
    x, shortcut, out, mean, inverse, weight, bias, rows, channels, each,
    ADDS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """relu(scale x + shift + shortcut)."""
    c, r = _block(CHANNELS, ROWS)
    scale, shift, _, _ = _line(mean, inverse, weight, bias, c, channels)
    at = tl.program_id(0) * each
    end = tl.minimum(at + each, rows)
    while at < end:
        there = (at + r < end)[:, None] & (c < channels)[None, :]
        place = (at + r).to(tl.int64)[:, None] * channels + c[None, :]
        value = tl.load(x + place, mask=there, other=0.0).to(tl.float32) * scale[None, :] + shift[None, :]
        if ADDS:
            value += tl.load(shortcut + place, mask=there, other=0.0).to(tl.float32)
        tl.store(out + place, tl.maximum(value, 0.0), mask=there)
        at += ROWS


@triton.jit  # type: ignore[untyped-decorator]
def _rectified(x, shortcut, towards, place, there, scale, shift, ADDS: tl.constexpr):  # type: ignore[no-untyped-def]
    """A tile of the map, and of what comes in where the result was above 0."""
    value = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    result = value * scale[None, :] + shift[None, :]
    if ADDS:
        result += tl.load(shortcut + place, mask=there, other=0.0).to(tl.float32)
    gradient = tl.load(towards + place, mask=there, other=0.0).to(tl.float32)
    return value, tl.where(there & (result > 0), gradient, 0.0)


@triton.jit  # type: ignore[untyped-decorator]
def _sums(  # type: ignore[no-untyped-def]
    x, shortcut, towards, mean, inverse, weight, bias, first, second, rows, channels, each,
    ADDS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """A part's sums of what comes in, alone and times the normalised map."""
    part = tl.program_id(0)
    c, r = _block(CHANNELS, ROWS)
    scale, shift, m, i = _line(mean, inverse, weight, bias, c, channels)
    plain, along = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    at = part * each
    end = tl.minimum(at + each, rows)
    while at < end:
        there = (at + r < end)[:, None] & (c < channels)[None, :]
        place = (at + r).to(tl.int64)[:, None] * channels + c[None, :]
        value, gradient = _rectified(x, shortcut, towards, place, there, scale, shift, ADDS)
        plain += tl.sum(gradient, axis=0)
        along += tl.sum(gradient * (value - m[None, :]) * i[None, :], axis=0)
        at += ROWS
    tl.store(first + part * channels + c, plain, mask=c < channels)
    tl.store(second + part * channels + c, along, mask=c < channels)


@triton.jit  # type: ignore[untyped-decorator]
def _add_up(first, second, one, other, channels, parts, PARTS: tl.constexpr, CHANNELS: tl.constexpr):  # type: ignore[no-untyped-def]
    c, p = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, PARTS)
    there = (p < parts)[:, None] & (c < channels)[None, :]
    place = p[:, None] * channels + c[None, :]
    tl.store(one + c, tl.sum(tl.load(first + place, mask=there, other=0.0), axis=0), mask=c < channels)
    tl.store(other + c, tl.sum(tl.load(second + place, mask=there, other=0.0), axis=0), mask=c < channels)


@triton.jit  # type: ignore[untyped-decorator]
def _gradient(  # type: ignore[no-untyped-def]
    x, shortcut, towards, mean, inverse, weight, bias, of_bias, of_weight, of_x, of_shortcut, rows, channels, each,
    ADDS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The map's gradient, and the shortcut's."""
    c, r = _block(CHANNELS, ROWS)
    scale, shift, m, i = _line(mean, inverse, weight, bias, c, channels)
    plain = tl.load(of_bias + c, mask=c < channels, other=0.0) / rows
    along = tl.load(of_weight + c, mask=c < channels, other=0.0) / rows
    at = tl.program_id(0) * each
    end = tl.minimum(at + each, rows)
    while at < end:
        there = (at + r < end)[:, None] & (c < channels)[None, :]
        place = (at + r).to(tl.int64)[:, None] * channels + c[None, :]
        value, gradient = _rectified(x, shortcut, towards, place, there, scale, shift, ADDS)
        normalised = (value - m[None, :]) * i[None, :]
        of_map = scale[None, :] * (gradient - plain[None, :] - normalised * along[None, :])
        tl.store(of_x + place, of_map, mask=there)
        if ADDS:
            tl.store(of_shortcut + place, gradient, mask=there)
        at += ROWS
