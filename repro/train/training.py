"""One training from settings to weights: build, start from given weights, fit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from repro.data.images import Images
from repro.errors import InputError
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.nets.presence import PresenceNet, start_from
from repro.spec.protocol import Model, Pretrain, Train
from repro.train.loop import Curve, Hooks, fit


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    state: dict[str, Tensor]
    """Weights and batch-normalisation statistics, on the CPU, contiguous."""
    curve: Curve
    seconds: float
    """Of this process's part of the training (a resumed one ran before)."""
    images_per_second: float
    parameters: int


def network_of(model: Model, classes: int, settings: Train | Pretrain) -> nn.Module:
    """The network that a training trains."""
    if isinstance(settings, Pretrain):
        return PresenceNet(model, classes, settings.output_stride)
    try:
        return build(model, classes, settings.output_stride)
    except ValueError as error:
        raise InputError(f"train.output_stride: {error}. Ask for fewer strides or more blocks.") from error


def train(
    model: Model,
    classes: int,
    settings: Train | Pretrain,
    seed: int,
    images: Images,
    start: Mapping[str, Tensor] | None,
    device: torch.device,
    hooks: Hooks,
) -> Trained:
    """Run a training, or what its checkpoint leaves of it.

    `start` holds the weights of the training it starts from (None: from random weights). Raises DivergedError,
    StoppedError, InputError.
    """
    network = network_of(model, classes, settings)
    initialise(network, seed)
    if start is not None:
        start_from(network.backbone, dict(start))  # type: ignore[arg-type]
    first = [0]

    def on_start(step: int) -> None:
        first[0] = step
        hooks.on_start(step)

    began = time.monotonic()
    curve = fit(network, images, settings, seed, device, Hooks(**{**vars(hooks), "on_start": on_start}))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.monotonic() - began
    done = (settings.iterations - first[0]) * settings.batch_size
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    parameters = sum(p.numel() for p in network.parameters())
    return Trained(state, curve, seconds, done / max(seconds, 1e-9), parameters)
