"""A DeepLab network: a backbone at some output stride, a head, logits.

Module names ("backbone", "head", "classifier") are the same for every output stride, so that weights trained at one
load at another (paper v3, section 4.1: trained at 16, evaluated at 8).
"""

from __future__ import annotations

from torch import Tensor, nn

from repro.nets.resnet import Features, ResNet
from repro.spec.protocol import Model


class CascadeHead(nn.Module):
    """v3, section 3.2: a 1x1 classifier on the last cascaded block."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, features: Features) -> Tensor:
        return self.classifier(features.high)  # type: ignore[no-any-return]


class DeepLab(nn.Module):
    """(N, 3, H, W) float32 -> logits (N, classes, h, w) at the network's own resolution."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))  # type: ignore[no-any-return]


def build(model: Model, classes: int, output_stride: int) -> DeepLab:
    """Build the network that `model` describes; weights are drawn or loaded by the caller."""
    backbone = ResNet(model, output_stride)
    return DeepLab(backbone, CascadeHead(backbone.channels, classes))
