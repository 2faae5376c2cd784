"""Layers that several networks share.

Additions, subsamplings and means are modules of their own (without parameters), so that hooks on modules see every
operation that the papers' multiply-add counts contain.
"""

from __future__ import annotations

from typing import NamedTuple, cast

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


class AtrousConv2d(nn.Conv2d):
    """Convolution of stride 1 with an odd kernel that keeps the size and computes no tap that reads padding only.

    A tap further from the centre than the map is wide meets zeros wherever the kernel lies: at large rates a 3x3
    convolution is a 1x1 one (paper v3, section 3.3). Left out, such taps leave the same map, and a gradient of zero for
    their weights, for down to a ninth of the multiply-adds; counts of costs stay those of all taps.
    """

    def __init__(
        self, c_in: int, c_out: int, kernel: int, *, rate: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"an even kernel ({kernel}) has no centre")
        super().__init__(c_in, c_out, kernel, padding=kernel // 2 * rate, dilation=rate, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        centre, rate = self.kernel_size[0] // 2, self.dilation[0]
        rows, columns = (min(centre, (side - 1) // rate) for side in input.shape[-2:])
        if (rows, columns) == (centre, centre):
            return super().forward(input)
        near = self.weight[:, :, centre - rows : centre + rows + 1, centre - columns : centre + columns + 1]
        padding = (rows * rate, columns * rate)
        return functional.conv2d(input, near, self.bias, padding=padding, dilation=rate, groups=self.groups)


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
        conv = (
            AtrousConv2d(c_in, c_out, kernel, rate=rate, groups=groups, bias=False)
            if stride == 1
            else nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2 * rate, rate, groups, bias=False)
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(c_out, eps=eps)]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)

    @property
    def norm(self) -> nn.BatchNorm2d:
        """The batch normalisation."""
        return cast(nn.BatchNorm2d, self[1])


class SeparableConvBN(nn.Module):
    """Depthwise 3x3, then pointwise 1x1, batch normalisation after both.

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
    ) -> None:
        super().__init__()
        self.depthwise = ConvBN(c_in, c_in, kernel, stride=stride, rate=rate, groups=c_in, eps=eps, relu=relu)
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
        return x[:, :, :: self.stride, :: self.stride]


class GlobalMean(nn.Module):
    """Mean over all positions: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3), keepdim=True)


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
