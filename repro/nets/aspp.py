"""Atrous spatial pyramid pooling of DeepLab v3 and its separable form of v3+.

Rethinking Atrous Convolution (arXiv 1706.05587), section 3.3 and figure 5; v3+ (arXiv 1802.02611), section 3.1;
released TensorFlow code (`deeplab/model.py`).

1. One 1x1 convolution and a 3x3 convolution for each atrous rate, `head_channels` (256) filters each, batch
   normalisation and ReLU.
2. Image-level features: mean over the whole map, 1x1, batch normalisation and ReLU, resized to the map. (The released
   code pools with a kernel of the crop's size: the same for inputs of that size, as throughout the papers.)
3. All are concatenated and projected by a 1x1 convolution with `head_channels` filters, then dropout.
4. Rates are given for output stride 16 and doubled at 8; halved at 32 (v3+ Table 3: only (3, 6, 9) gives the printed
   multiply-adds of the rows at 32).
5. Separable: the 3x3 convolutions become depthwise and pointwise, batch normalisation and ReLU after each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.nets.layers import ConvBN, GlobalMean, SeparableConvBN
from repro.nets.rates import rates_at
from repro.nets.resize import resize_maps
from repro.spec.protocol import Model


class ImagePooling(nn.Module):
    """Image-level features (N, C, H, W) -> (N, C', H, W), constant over the map (paper v3, section 3.3).

    In training the batch needs two images: batch normalisation sees one value for each. With a `share` of the map's
    height and width the mean is over windows of that size instead, its result resized to the map: the released code
    with a crop smaller than the canvas.
    """

    align_corners = True
    share: tuple[float, float] | None = None

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.mean = GlobalMean()
        self.project = ConvBN(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        if self.share is None:
            return resize_maps(self.project(self.mean(x)), size)
        kernel = [min(side, round((side - 1) * share) + 1) for side, share in zip(size, self.share, strict=True)]
        means = functional.avg_pool2d(x, kernel, stride=1)
        return resize_maps(self.project(means), size, align_corners=self.align_corners)


class ASPP(nn.Module):
    """(N, C, h, w) -> (N, head_channels, h, w)."""

    def __init__(self, c_in: int, model: Model, output_stride: int) -> None:
        super().__init__()
        width = model.head_channels
        branches: list[nn.Module] = [ConvBN(c_in, width, 1)]
        for rate in rates_at(model.atrous_rates, output_stride, reference=16):
            if model.separable:
                branches.append(SeparableConvBN(c_in, width, rate=rate, between=model.depthwise_batch_norm))
            else:
                branches.append(ConvBN(c_in, width, 3, rate=rate))
        if model.image_pooling:
            branches.append(ImagePooling(c_in, width))
        self.branches = nn.ModuleList(branches)
        self.project = ConvBN(len(branches) * width, width, 1)
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.dropout(self.project(joined))  # type: ignore[no-any-return]
