"""What every backbone has: its channels, its input layer, and how a classifier's ImageNet weights become its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from repro.nets.layers import Features, ImageNetInput
from repro.spec.protocol import Model

StateDict = Mapping[str, Tensor]


class Backbone(nn.Module):
    """(N, 3, H, W) float32 in [-1, 1] -> Features(low: what `model.decoder` names, high at the output stride).

    Names and shapes of parameters do not depend on the output stride.
    """

    channels: int
    """Of `high`."""
    low_channels: Mapping[str, int] = {}
    """Of each level that it hands on."""
    starts_elsewhere: ClassVar[tuple[str, ...]] = ()
    """Parameters that the pre-training of small scales lacks, by the beginning of their names."""
    files_lack: ClassVar[tuple[str, ...]] = ()
    """The same of files of ImageNet weights."""
    dropped: ClassVar[tuple[str, ...]] = ()
    """What a classifier's file holds beside them, by the beginning of its names."""
    model: Model
    """Its settings, and `output_stride`: known from when it is built."""
    output_stride: int

    def __init__(self) -> None:
        super().__init__()
        self.normalise: ImageNetInput | None = None
        """What turns images in [-1, 1] into those that its weights were made with, where these are others."""

    def __call__(self, x: Tensor) -> Features:
        return super().__call__(x)  # type: ignore[no-any-return]

    def normalised(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] as its weights were made with."""
        return x if self.normalise is None else self.normalise(x)

    def recognises(self, state: StateDict) -> bool:
        """Whether a state dict is, by its names, of a network that this one takes the weights of."""
        return bool(self.state_dict().keys() & state.keys())

    def converted(self, state: StateDict, source: str, seed: int) -> dict[str, Tensor]:  # noqa: ARG002
        """A classifier's state dict in this network's names; `source` is what messages call it.

        `seed` decides what is drawn. Raises InputError, or ValueError without the source, for what cannot be used.
        """
        return {name: value for name, value in state.items() if not name.startswith(self.dropped or "\0")}

    def as_trained(self, state: StateDict) -> dict[str, object]:  # noqa: ARG002
        """Settings of `model` with which the network is the one that a classifier's state dict was trained as."""
        return {}

    def complete(self) -> None:
        """After loading a classification network: start what `starts_elsewhere` names."""

    def readers(self) -> nn.Module | None:
        """The convolutions whose field of view is the network's, where they are not in the head."""
        return None


def renamed(state: StateDict, rules: tuple[tuple[str, str], ...], dropped: tuple[str, ...]) -> dict[str, Tensor]:
    """A state dict after substitutions (pattern, replacement) in its names, without those that begin as `dropped`."""
    out = {}
    for key, value in state.items():
        if key.startswith(dropped):
            continue
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        out[key] = value
    return out
