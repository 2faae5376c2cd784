"""The network of a protocol: the suite's own, or an implementation of the user's."""

from __future__ import annotations

from torch import nn

from repro.nets import deeplab
from repro.nets.deeplab import DeepLab
from repro.nets.implementation import OwnNetwork, PresenceOfOwn, build_own
from repro.nets.presence import PresenceNet
from repro.spec.protocol import Model

Network = DeepLab | OwnNetwork


def build(model: Model, classes: int, output_stride: int, seed: int = 0) -> Network:
    """Build the segmentation network that `model` describes.

    The weights of the suite's networks are drawn or loaded by the caller; an implementation draws its own from `seed`.
    Raises ValueError where it cannot make `output_stride`.
    """
    if model.implementation is not None:
        return build_own(model, classes, output_stride, seed)
    return deeplab.build(model, classes, output_stride, seed)


def build_presence(model: Model, classes: int, output_stride: int, seed: int = 0) -> nn.Module:
    """Build the network of the pre-training at small scales: (N, 3, H, W) -> (N, classes)."""
    if model.implementation is not None:
        return PresenceOfOwn(build_own(model, classes, output_stride, seed))
    return PresenceNet(model, classes, output_stride, seed)
