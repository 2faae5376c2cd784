"""The decoder of DeepLab v3+.

Encoder-Decoder with Atrous Separable Convolution (arXiv 1802.02611), section 3.1 and figure 2, Tables 1 and 2;
released TensorFlow code (`deeplab/model.py`).

1. Low-level features pass a 1x1 convolution to few channels (Table 1: 48).
2. The encoder's output is resized to their grid and concatenated, then refined by 3x3 convolutions (Table 2: two
   with 256 filters).
3. With Conv3 and Conv2 (Table 2, last row) this happens twice, from the coarse to the fine level.
4. Separable: the 3x3 refinements become depthwise and pointwise (a 1x1 refinement has no depthwise part).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from repro.nets.layers import ConvBN, SeparableConvBN
from repro.nets.resize import resize_maps
from repro.spec.protocol import Model


class Join(nn.Module):
    """One step: (encoder (N, C, h, w), low (N, C', H, W)) -> (N, decoder_channels, H, W)."""

    align_corners = True

    def __init__(self, c_in: int, c_low: int, model: Model) -> None:
        super().__init__()
        self.project = ConvBN(c_low, model.decoder_low_level_channels, 1)
        channels = c_in + model.decoder_low_level_channels
        refine: list[nn.Module] = []
        for _ in range(model.decoder_convs):
            if model.separable and model.decoder_kernel > 1:
                kernel, between = model.decoder_kernel, model.depthwise_batch_norm
                refine.append(SeparableConvBN(channels, model.decoder_channels, kernel=kernel, between=between))
            else:
                refine.append(ConvBN(channels, model.decoder_channels, model.decoder_kernel))
            channels = model.decoder_channels
        self.refine = nn.Sequential(*refine)

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        low = self.project(low)
        x = resize_maps(x, (low.shape[2], low.shape[3]), align_corners=self.align_corners)
        return self.refine(torch.cat([x, low], dim=1))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Joins the levels of `model.decoder`, the coarsest first; the result has the finest one's grid."""

    def __init__(self, c_in: int, low_channels: dict[str, int], model: Model) -> None:
        super().__init__()
        self.steps = nn.ModuleDict()
        for level in sorted(model.decoder, reverse=True):
            self.steps[level] = Join(c_in, low_channels[level], model)
            c_in = model.decoder_channels
        self.channels = c_in

    def forward(self, x: Tensor, low: dict[str, Tensor]) -> Tensor:
        for level, step in self.steps.items():
            x = step(x, low[level])
        return x
