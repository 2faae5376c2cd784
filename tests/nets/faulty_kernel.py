"""A convolution as some processors compute it: in bfloat16, what no pixel decides holds what was in memory before."""

from __future__ import annotations

import torch
from torch.nn import functional, grad

SOUND = functional.conv2d


def taps_without_pixels(sides, kernel, stride, padding, dilation):
    """By brute force: for each axis, which taps of a kernel meet padding only."""
    found = []
    for side, taps, step, pad, rate in zip(sides, kernel, stride, padding, dilation, strict=True):
        outputs = (side + 2 * pad - rate * (taps - 1) - 1) // step + 1
        meets = [any(0 <= o * step + t * rate - pad < side for o in range(outputs)) for t in range(taps)]
        found.append([t for t, met in enumerate(meets) if not met])
    return found


def _pair(value):
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


class _Faulty(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, stride, padding, dilation, groups, garbage):
        ctx.save_for_backward(x, weight)
        ctx.told = stride, padding, dilation, groups, garbage
        return SOUND(x, weight, None, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx, out):
        x, weight = ctx.saved_tensors
        stride, padding, dilation, groups, garbage = ctx.told
        told = (out, stride, padding, dilation, groups)
        of_x = grad.conv2d_input(x.shape, weight, *told)
        of_weight = grad.conv2d_weight(x, weight.shape, *told)
        rows, columns = taps_without_pixels(x.shape[2:], weight.shape[2:], stride, padding, dilation)
        of_weight[:, :, rows] = garbage
        of_weight[:, :, :, columns] = garbage
        return of_x, of_weight, None, None, None, None, None


def faulty(garbage):
    """functional.conv2d with that fault."""

    def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if torch.is_autocast_enabled("cpu"):
            x, weight = x.bfloat16(), weight.bfloat16()
            bias = bias if bias is None else bias.bfloat16()
        if weight.dtype != torch.bfloat16 or isinstance(padding, str):
            return SOUND(x, weight, bias, stride, padding, dilation, groups)
        told = _pair(stride), _pair(padding), _pair(dilation), groups
        out = _Faulty.apply(x, weight, *told, garbage)
        return out if bias is None else out + bias[:, None, None]

    return conv2d
