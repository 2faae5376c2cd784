"""MobileNetV2 as DeepLab uses it, up to its last inverted residual.

MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv 1801.04381), Tables 1 and 2, section 6.3; released
TensorFlow code (`slim/nets/mobilenet`, `deeplab/core/feature_extractor.py`). Parameter names, widths and batch
normalisation are torchvision's `mobilenet_v2`, whose files load as they are.

1. A 3x3 convolution with stride 2, then 17 units: 1x1 expansion, depthwise 3x3, linear 1x1 projection, added to the
   input where both have the same shape. ReLU6 follows the first two. The classifier's last 1x1 (1280) is left out.
2. Once the output stride is reached, a unit's stride becomes 1 and the atrous rate of the units after it doubles.
3. `multi_grid` multiplies the rates of the last three units (the paper and the released code have none here).
4. `width` 64 is the paper's; every filter count scales with it, unrounded, as in the released segmentation code: 32 is
   its "depth multiplier" 0.5. What is counted then is 0.01 below the two printed costs (0.87 of 0.88 billion, 2.83 of
   2.84); with classifiers' rounding to multiples of 8 (24 filters become 16) it would be 0.04 above.
5. A decoder taps the output of the last unit at stride 4 (24 channels, Table 2) and at stride 8 (32). The released code
   taps the depthwise convolution inside the same units; no published figure has a decoder on this backbone.
"""

from __future__ import annotations

from torch import Tensor, nn

from repro.nets.backbone import Backbone, StateDict
from repro.nets.layers import Add, Features, ImageNetInput, SameConv2d
from repro.nets.registry import register_backbone

STEM_STRIDE, STEM, EXPANSION = 2, 32, 6
STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Table 2: filters, units, stride of the first unit."""
TAPPED_STAGE = {"conv2": 1, "conv3": 2}
LAST_UNITS = 3


def scaled(filters: int, width: int) -> int:
    """Filters at `width`."""
    return max(1, int(filters * width / 64 + 0.5))


class ConvBNReLU6(nn.Sequential):
    """Convolution without bias, batch normalisation, ReLU6."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, eps: float, *, stride: int = 1, rate: int = 1, groups: int = 1
    ) -> None:
        conv = SameConv2d(c_in, c_out, kernel, stride=stride, rate=rate, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(c_out, eps=eps), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """One unit (Table 1); `first` has no expansion."""

    def __init__(self, c_in: int, c_out: int, *, stride: int, rate: int, added: bool, first: bool, eps: float) -> None:
        super().__init__()
        inner = c_in if first else c_in * EXPANSION
        layers: list[nn.Module] = [] if first else [ConvBNReLU6(c_in, inner, 1, eps)]
        layers.append(ConvBNReLU6(inner, inner, 3, eps, stride=stride, rate=rate, groups=inner))
        layers += [nn.Conv2d(inner, c_out, 1, bias=False), nn.BatchNorm2d(c_out, eps=eps)]
        self.conv = nn.Sequential(*layers)
        self.add = Add() if added else None

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.conv(x)
        return branch if self.add is None else self.add(x, branch)


@register_backbone(
    "mobilenet_v2",
    taps=("conv2", "conv3"),
    takes_weights_of="torchvision's mobilenet_v2",
    weights=(
        {
            "name": "mobilenet_v2",
            "url": "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
            "sha256": "b0353104",
        },
    ),
)
class MobileNetV2(Backbone):
    """Backbone; `forward`: (N, 3, H, W) float32 in [-1, 1] -> Features(low, high at `output_stride`)."""

    dropped = ("features.18.", "classifier.")

    def __init__(
        self,
        output_stride: int,
        width: int,
        multi_grid: tuple[int, int, int],
        batch_norm_eps: float,
        decoder: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.normalise = ImageNetInput()
        channels, current, rate = scaled(STEM, width), STEM_STRIDE, 1
        layers: list[nn.Module] = [ConvBNReLU6(3, channels, 3, batch_norm_eps, stride=STEM_STRIDE)]
        ends, total = [], sum(units for _, units, _ in STAGES)
        for filters, units, stage_stride in STAGES:
            for unit in range(units):
                stride, next_rate, c_out = (stage_stride if unit == 0 else 1), rate, scaled(filters, width)
                added = stride == 1 and channels == c_out
                if stride > 1 and current >= output_stride:
                    stride, next_rate = 1, rate * stride
                current *= stride
                last = len(layers) - 1 - (total - LAST_UNITS)
                grid = multi_grid[last] if last >= 0 else 1
                layers.append(
                    InvertedResidual(
                        channels, c_out, stride=stride, rate=rate * grid, added=added, first=len(layers) == 1,
                        eps=batch_norm_eps,
                    )
                )  # fmt: skip
                channels, rate = c_out, next_rate
            ends.append((len(layers) - 1, channels))
        if current != output_stride:
            raise ValueError(f"output_stride {output_stride} is out of reach: MobileNetV2's own is {current}")
        self.features = nn.Sequential(*layers)
        self.channels = channels
        self._taps = {ends[TAPPED_STAGE[level]][0]: level for level in decoder}
        self.low_channels = {level: ends[TAPPED_STAGE[level]][1] for level in decoder}

    def forward(self, x: Tensor) -> Features:
        x = self.normalised(x)
        low: dict[str, Tensor] = {}
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self._taps:
                low[self._taps[i]] = x
        return Features(low, x)

    def recognises(self, state: StateDict) -> bool:
        return "features.1.conv.0.0.weight" in state and "features.17.conv.3.weight" in state
