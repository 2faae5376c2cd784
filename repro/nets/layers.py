"""Layers that several networks share.

Additions, subsamplings and means are modules of their own (without parameters), so that hooks on modules see every
operation that the papers' multiply-add counts contain.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]; torchvision's weights were trained with them."""


class Features(NamedTuple):
    """What a backbone hands on: `low` by name at small strides, `high` at the output stride."""

    low: dict[str, Tensor]
    high: Tensor


class SameConv2d(nn.Conv2d):
    """Convolution that keeps the size at stride 1 and computes no tap that reads padding only.

    At stride s a side n becomes (n - 1) // s + 1; an even kernel has what its padding lacks at bottom and right. A tap
    that meets zeros wherever the kernel lies adds nothing: at large rates a 3x3 convolution is a 1x1 one (paper v3,
    section 3.3), and so it is on a map one pixel wide. Left out, such taps leave the same map, and a gradient of zero
    for their weights, for down to a ninth of the multiply-adds; counts of costs stay those of all taps. Nor is zero
    what everybody makes of them: oneDNN 3's gradient of strided convolutions in bfloat16 holds what was in memory.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 1,
        rate: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        # of even kernels the smaller half; what they are really padded with is `forward`'s
        super().__init__(c_in, c_out, kernel, stride, rate * (kernel - 1) // 2, rate, groups, bias)

    def forward(self, input: Tensor) -> Tensor:
        if self.kernel_size[0] == 1:
            return super().forward(input)
        rows, columns = (self._read(side) for side in input.shape[-2:])
        if rows is None or columns is None:  # all of an even kernel's taps lie beyond the map
            return self._conv(functional.pad(input, 2 * self._whole()), self.weight, 0)
        weight = self.weight
        if rows.taps + columns.taps < 2 * self.kernel_size[0]:
            weight = weight[:, :, rows.first : rows.first + rows.taps, columns.first : columns.first + columns.taps]
        if rows.even and columns.even:
            return self._conv(input, weight, (rows.padding[0], columns.padding[0]))
        return self._conv(functional.pad(input, (*columns.padding, *rows.padding)), weight, 0)

    def _conv(self, input: Tensor, weight: Tensor, padding: int | tuple[int, int]) -> Tensor:
        return functional.conv2d(input, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _whole(self) -> tuple[int, int]:
        """Padding of all taps, before and after."""
        reach = self.dilation[0] * (self.kernel_size[0] - 1)
        return reach // 2, reach - reach // 2

    def _read(self, side: int) -> _Read | None:
        """The taps that meet the map somewhere along a side of so many pixels; None if there are none."""
        kernel, stride, rate = self.kernel_size[0], self.stride[0], self.dilation[0]
        before, _ = self._whole()
        last_place = (side - 1) // stride * stride
        # tap t at output o reads pixel o stride + t rate - before
        first = max(0, -((last_place - before) // rate))
        last = min(kernel - 1, (side - 1 + before) // rate)
        if first > last:
            return None
        padding = before - first * rate, last_place + last * rate - before - (side - 1)
        # padded by the same on both sides, is the last output the same one?
        span = side - 1 + 2 * padding[0] - rate * (last - first)
        return _Read(first, last - first + 1, padding, padding[0] >= 0 and span // stride * stride == last_place)


class _Read(NamedTuple):
    """Along one side of a map: the first tap that is computed, how many are, and the padding that these need."""

    first: int
    taps: int
    padding: tuple[int, int]
    """Before and after; negative where pixels are read by no tap."""
    even: bool
    """Whether as much after as before makes the same map."""


class ConvBN(nn.Sequential):
    """Convolution without bias, batch normalisation, and ReLU unless `relu` is False.

    The padding keeps the size at stride 1; at stride 2 a side n becomes (n - 1) // 2 + 1. For odd n, as everywhere in
    the papers, this equals TensorFlow's SAME and the released code's explicit padding.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        *,
        stride: int = 1,
        rate: int = 1,
        groups: int = 1,
        eps: float = 1e-5,
        relu: bool = True,
    ) -> None:
        conv = SameConv2d(c_in, c_out, kernel, stride=stride, rate=rate, groups=groups, bias=False)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(c_out, eps=eps)]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)

    @property
    def norm(self) -> nn.BatchNorm2d:
        """The batch normalisation."""
        return cast(nn.BatchNorm2d, self[1])


class SeparableConvBN(nn.Module):
    """Depthwise 3x3, then pointwise 1x1, batch normalisation after both, or, a known mistake, not `between` them.

    Paper v3+, section 3.1: an atrous separable convolution has its rate in the depthwise part. ReLU follows both parts
    (`relu=True`: ASPP, decoder, last module of Xception) or none (modules of Xception that begin with a ReLU).
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        rate: int = 1,
        eps: float = 1e-5,
        relu: bool = True,
        between: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = (
            ConvBN(c_in, c_in, kernel, stride=stride, rate=rate, groups=c_in, eps=eps, relu=relu)
            if between
            else SameConv2d(c_in, c_in, kernel, stride=stride, rate=rate, groups=c_in, bias=False)
        )
        self.pointwise = ConvBN(c_in, c_out, 1, eps=eps, relu=relu)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


class Add(nn.Module):
    """Element-wise sum of two tensors of the same shape."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Subsample(nn.Module):
    """Every `stride`-th pixel, the first included: (N, C, H, W) -> (N, C, (H - 1) // stride + 1, ...).

    The released code's 1x1 max pooling with a stride (`resnet_utils.subsample`).
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:  # the gradient of a slice has its channels first: each next kernel would read two layouts
            return functional.avg_pool2d(x, 1, self.stride)
        return x[:, :, :: self.stride, :: self.stride]


class GlobalMean(nn.Module):
    """Mean over all positions: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return global_mean(x)


def global_mean(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 1, 1)."""
    if x.is_cuda:
        return MeanWithChannelsLast.apply(x)  # type: ignore[no-any-return, no-untyped-call]
    return x.mean(dim=(2, 3), keepdim=True)


class MeanWithChannelsLast(torch.autograd.Function):
    """`global_mean` whose gradient has its channels last; torch's own has them first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        channels = x.shape[1]
        # of a map of one pixel both layouts are the same memory, and its strides say which one a convolution takes
        return x.mean(dim=(2, 3), keepdim=True).as_strided((len(x), channels, 1, 1), (channels, 1, channels, channels))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        each: Tensor = gradients[0] / (ctx.shape[2] * ctx.shape[3])
        return each.expand(ctx.shape).contiguous(memory_format=torch.channels_last)


class ImageNetInput(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> what torchvision's weights expect: (RGB in [0, 1] - mean) / deviation.

    Images reach every network in [-1, 1] (the released code's for the beta stem and Xception). A canvas is padded with
    grey 127.5, which here becomes nearly, not exactly, 0; the released code pads with the mean instead.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        self.register_buffer("scale", (0.5 / deviation)[:, None, None], persistent=False)
        self.register_buffer("offset", ((0.5 - mean) / deviation)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset
