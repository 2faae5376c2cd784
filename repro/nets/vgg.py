"""VGG-16 as DeepLab v2 uses it: DeepLab-LargeFOV and its relatives, ASPP-S and ASPP-L.

Very Deep Convolutional Networks (arXiv 1409.1556); DeepLab v2 (arXiv 1606.00915), sections 3.1 to 3.2, figure 7 and
Table 1; released Caffe code (train.prototxt of the VGG-16 models).

1. Thirteen 3x3 convolutions with biases; max pooling is 3x3 with padding 1 (the original: 2x2), stride 2 after blocks 1
   to 3. At output stride 8 pools 4 and 5 have stride 1 and block 5 has rate 2; at 16 and 32 the strides come back.
2. fc6 is a convolution (7x7, 4x4 or 3x3) with an atrous rate, fc7 is 1x1, dropout after both. Rates are given for
   output stride 8, the only one v2 uses. An even kernel at an odd rate is padded one pixel more at bottom and right.
3. ASPP: one branch fc6-fc7-fc8 for each rate; scores are summed (the classifiers fc8 are in the head).
4. Departure for small scales without ImageNet weights: `vgg_batch_norm` puts batch normalisation before each ReLU; the
   plain network does not learn from a random start in few steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from repro.nets.aspp import rates_at
from repro.nets.layers import Features, ImageNetInput, SameConv2d
from repro.spec.protocol import Model

IMAGENET_STRIDE = 32
"""Stride of the classification network: five poolings."""


class ConvReLU(nn.Sequential):
    """Convolution with bias that keeps the size, batch normalisation where asked for, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, *, rate: int = 1, batch_norm: bool, eps: float) -> None:
        layers: list[nn.Module] = [SameConv2d(c_in, c_out, kernel, rate=rate)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(c_out, eps=eps))
        super().__init__(*layers, nn.ReLU(inplace=True))


class Branch(nn.Module):
    """fc6 and fc7 of one branch: (N, C, h, w) -> (N, fc_channels, h, w)."""

    def __init__(self, c_in: int, rate: int, model: Model) -> None:
        super().__init__()
        width, norm, eps = model.fc_channels, model.vgg_batch_norm, model.batch_norm_eps
        self.fc6 = ConvReLU(c_in, width, model.fc_kernel, rate=rate, batch_norm=norm, eps=eps)
        self.drop6 = nn.Dropout(model.dropout)
        self.fc7 = ConvReLU(width, width, 1, batch_norm=norm, eps=eps)
        self.drop7 = nn.Dropout(model.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop7(self.fc7(self.drop6(self.fc6(x))))  # type: ignore[no-any-return]


class VGG16(nn.Module):
    """Backbone with the branches fc6-fc7 of head "fc" (they start from ImageNet like the rest), else up to pool5.

    `units` are the convolutions of blocks 1 to 4; block 5 has as many as block 4. `forward`: (N, 3, H, W) float32 ->
    Features(low {}, high: the branches' outputs one after the other along the channels).
    """

    starts_elsewhere = ("branches.",)
    """Parameters that the first training of small scales lacks, by the beginning of their names."""

    def __init__(self, model: Model, output_stride: int) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride {output_stride} is out of reach: VGG-16 makes 8, 16 or 32")
        norm, eps = model.vgg_batch_norm, model.batch_norm_eps
        self.normalise = ImageNetInput()
        self.blocks = nn.ModuleDict()
        self.pools = nn.ModuleList()
        channels, current, rate = 3, 1, 1
        for block in range(1, 6):
            width = model.width * 2 ** (min(block, 4) - 1)
            convs = nn.Sequential()
            for _ in range(model.units[min(block, 4) - 1]):
                convs.append(ConvReLU(channels, width, 3, rate=rate, batch_norm=norm, eps=eps))
                channels = width
            self.blocks[f"block{block}"] = convs
            stride = 2 if current < output_stride else 1
            self.pools.append(nn.MaxPool2d(3, stride=stride, padding=1))
            current, rate = (current * 2, rate) if stride == 2 else (current, rate * 2)
        self.branches = nn.ModuleList()
        if model.head == "fc":
            for fc_rate in rates_at(model.atrous_rates, output_stride, reference=8):
                self.branches.append(Branch(channels, fc_rate, model))
            channels = model.fc_channels * len(self.branches)
        self.model = model
        self.channels = channels
        self.low_channels: dict[str, int] = {}
        self.output_stride = output_stride

    def forward(self, x: Tensor) -> Features:
        x = self.normalise(x)
        for convs, pool in zip(self.blocks.values(), self.pools, strict=True):
            x = pool(convs(x))
        if len(self.branches) > 0:
            return Features({}, torch.cat([branch(x) for branch in self.branches], dim=1))
        return Features({}, x)

    def complete(self) -> None:
        """After loading a classification network: nothing is left to start."""
