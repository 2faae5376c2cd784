"""torchvision's DeepLabv3 as an implementation beside this suite's (tables/implementations, docs/extending.md).

Its modules are torchvision's own; at full width the network is `torchvision.models.segmentation.deeplabv3_resnet101`,
name by name and shape by shape. torchvision has no form that is narrow throughout: its ResNet's `width_per_group` is
the inner width of the bottlenecks, and what they hand on is narrowed by their `expansion`, at least to 64, 128, 256 and
512 channels; the stem keeps 64. It has no multi-grid, and dropout is 0.5.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3

from repro.nets.layers import ImageNetInput
from repro.nets.rates import rates_at

WIDTH = 64
"""Inner channels of the first block at full size."""


class Normalised(nn.Module):
    """A network of torchvision's, given images as its weights want them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.normalise = ImageNetInput()
        self.network = network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.network(self.normalise(images))  # type: ignore[no-any-return]


def deeplabv3(
    classes: int,
    output_stride: int,
    units: tuple[int, ...] = (3, 4, 23, 3),
    width: int = WIDTH,
    atrous_rates: tuple[int, ...] = (6, 12, 18),
    head_channels: int = 256,
) -> nn.Module:
    """Return (N, 3, H, W) float32 in [-1, 1] -> {"out": logits (N, classes, H, W)}, random weights.

    `atrous_rates` are those at output stride 16, doubled at 8; torchvision's own function has (12, 24, 36) at 8 alone.
    Raises ValueError for an output stride that its ResNet cannot make.
    """
    if output_stride not in (8, 16, 32):
        raise ValueError(f"torchvision's ResNet has output strides 8, 16 and 32, not {output_stride}")
    block = type("Bottleneck", (resnet.Bottleneck,), {"expansion": max(1, 4 * width // WIDTH)})
    dilated = [False, output_stride < 16, output_stride < 32]
    backbone = resnet.ResNet(block, list(units), width_per_group=width, replace_stride_with_dilation=dilated)
    rates = rates_at(atrous_rates, output_stride, reference=16)
    head = nn.Sequential(
        ASPP(backbone.inplanes, rates, head_channels),
        nn.Conv2d(head_channels, head_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(head_channels),
        nn.ReLU(),
        nn.Conv2d(head_channels, classes, 1),
    )
    return Normalised(DeepLabV3(IntermediateLayerGetter(backbone, {"layer4": "out"}), head))
