"""ResNet-50 and ResNet-101 as DeepLab v3 uses them, with cascaded blocks.

Deep Residual Learning (arXiv 1512.03385); DeepLab v3 (arXiv 1706.05587), sections 3.1 to 3.2 and figure 3;
stem and stride placement as in the released TensorFlow code (`resnet_v1_101_beta`, slim).

1. Stem "beta": 3x3 stride 2, 3x3, 3x3, then 3x3 max pooling with stride 2. "conv7" is the original 7x7.
2. A block's stride of 2 sits in the 3x3 convolution of its *last* unit; the last block has none.
   `stride_at="first_unit"` is torchvision's placement (there block1 has no stride).
3. Once the output stride is reached, a stride becomes 1 and the atrous rate doubles after that unit.
4. blocks 5 to 7 repeat block4 (3 units, same widths); `multi_grid` multiplies the rates of the three units
   of block4 and every later block.
5. Identity shortcuts of strided units are subsampled; a unit whose depth changes has a 1x1 projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from repro.spec.protocol import Model

EXPANSION = 4
STEM_STRIDE = 4


class Features(NamedTuple):
    """What a backbone hands on: `low` by name at small strides, `high` at the output stride."""

    low: dict[str, Tensor]
    high: Tensor


@dataclass(frozen=True)
class UnitPlan:
    """One residual unit: where it stands and how its 3x3 convolution samples."""

    block: int
    unit: int
    inner: int
    stride: int
    rate: int


def plan_units(model: Model, output_stride: int) -> list[UnitPlan]:
    """Lay out strides and atrous rates of every unit (paper v3, figure 3 and section 3.2).

    Raises ValueError where the blocks cannot reach `output_stride`.
    """
    blocks = range(1, model.last_block + 1)
    current, rate, plans = STEM_STRIDE, 1, []
    for block in blocks:
        units = model.units[min(block, 4) - 1]
        strided = block < model.last_block if model.stride_at == "last_unit" else block > 1
        for unit in range(units):
            wants_stride = strided and unit == (units - 1 if model.stride_at == "last_unit" else 0)
            stride, next_rate = 1, rate
            if wants_stride and current < output_stride:
                stride, current = 2, current * 2
            elif wants_stride:
                next_rate = rate * 2
            factor = model.multi_grid[unit] if block >= 4 and unit < len(model.multi_grid) else 1
            # torchvision and slim agree: the unit that gives up its stride still samples at the old rate
            plans.append(UnitPlan(block, unit, model.width * 2 ** (min(block, 4) - 1), stride, rate * factor))
            rate = next_rate
    if current != output_stride:
        raise ValueError(
            f"output_stride {output_stride} needs more blocks than model.last_block={model.last_block} has "
            f"(they reach {current})"
        )
    return plans


class ConvBN(nn.Sequential):
    """Convolution without bias, batch normalisation, and ReLU unless `relu` is False."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, *, stride: int = 1, rate: int = 1, eps: float = 1e-5, relu: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2 * rate, dilation=rate, bias=False),
            nn.BatchNorm2d(c_out, eps=eps),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Unit(nn.Module):
    """Bottleneck: 1x1, 3x3 (stride and rate here), 1x1, added to the shortcut."""

    def __init__(self, c_in: int, plan: UnitPlan, eps: float) -> None:
        super().__init__()
        c_out = plan.inner * EXPANSION
        self.stride = plan.stride
        self.conv1 = ConvBN(c_in, plan.inner, 1, eps=eps)
        self.conv2 = ConvBN(plan.inner, plan.inner, 3, stride=plan.stride, rate=plan.rate, eps=eps)
        self.conv3 = ConvBN(plan.inner, c_out, 1, eps=eps, relu=False)
        self.shortcut = ConvBN(c_in, c_out, 1, stride=plan.stride, eps=eps, relu=False) if c_in != c_out else None

    def residual(self, x: Tensor) -> Tensor:
        """The branch before the addition: (N, C, H, W) -> (N, C', H', W')."""
        return self.conv3(self.conv2(self.conv1(x)))  # type: ignore[no-any-return]

    def add(self, x: Tensor, residual: Tensor) -> Tensor:
        """Shortcut plus branch, then ReLU."""
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return torch.relu(x + residual)

    def forward(self, x: Tensor) -> Tensor:
        return self.add(x, self.residual(x))


class ResNet(nn.Module):
    """Backbone up to `model.last_block`; parameter names do not depend on the output stride.

    `forward`: (N, 3, H, W) float32 -> Features(low {"conv2" (and "conv3")}, high at `output_stride`).
    """

    def __init__(self, model: Model, output_stride: int) -> None:
        super().__init__()
        eps, stem = model.batch_norm_eps, model.stem_width
        if model.stem == "beta":
            self.stem = nn.Sequential(
                ConvBN(3, stem, 3, stride=2, eps=eps), ConvBN(stem, stem, 3, eps=eps), ConvBN(stem, 2 * stem, 3, eps=eps)
            )
            channels = 2 * stem
        else:
            self.stem = nn.Sequential(ConvBN(3, stem, 7, stride=2, eps=eps))
            channels = stem
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.ModuleDict()
        self.low_channels: dict[str, int] = {}
        for plan in plan_units(model, output_stride):
            name = f"block{plan.block}"
            if name not in self.blocks:
                self.blocks[name] = nn.ModuleList()
            unit = Unit(channels, plan, eps)
            nn.init.constant_(unit.conv3[1].weight, model.residual_gamma)
            self.blocks[name].append(unit)
            channels = plan.inner * EXPANSION
        self.channels = channels
        self.output_stride = output_stride

    def forward(self, x: Tensor) -> Features:
        x = self.pool(self.stem(x))
        low: dict[str, Tensor] = {}
        for units in self.blocks.values():
            for unit in units:
                x = unit(x)
        return Features(low, x)

    def copy_block4(self) -> None:
        """Start blocks 5 to 7 as copies of block4 (paper v3, section 3.2).

        block4's first unit reads half the channels, so the first unit of a later block is copied from block4's
        second: the only unit of the same shape.
        """
        block4 = self.blocks["block4"]
        for name, block in self.blocks.items():
            if name > "block4":
                for i, unit in enumerate(block):
                    unit.load_state_dict(block4[max(i, min(1, len(block4) - 1))].state_dict())
