"""One training from settings to weights: build, start from given weights, fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.build import build, build_presence
from repro.nets.deeplab import DeepLab
from repro.nets.implementation import OwnNetwork, start_own
from repro.nets.init import initialise
from repro.nets.presence import start_from
from repro.nets.start import start_from_segmentation
from repro.nets.weights import load_backbone
from repro.spec.protocol import Model, Pretrain, Train
from repro.train.context import TrainingContext
from repro.train.loop import BatchLayout, TrainingCurve, fit


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a training starts from: those of another training, or of a file."""

    kind: Literal["presence", "segment", "imagenet"]
    state: Mapping[str, Tensor]
    source: str
    """What messages call them."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    state: dict[str, Tensor]
    """Weights and batch-normalisation statistics, on the CPU, contiguous."""
    curve: TrainingCurve
    seconds: float
    """Of this process's part of the training (a resumed one ran before)."""
    images_per_second: float
    parameters: int
    layouts: list[BatchLayout]
    """How batches were computed, from which step on."""


def network_of(model: Model, classes: int, settings: Train | Pretrain, seed: int = 0) -> nn.Module:
    """The network that a training trains; `seed` is for an implementation of one's own, which draws its weights."""
    try:
        if isinstance(settings, Pretrain):
            return build_presence(model, classes, settings.output_stride, seed)
        return build(model, classes, settings.output_stride, seed)
    except ValueError as error:
        raise InputError(f"train.output_stride: {error}. Ask for fewer strides or more blocks.") from error


def begin(network: nn.Module, start: InitialWeights, seed: int) -> None:
    """Put the weights of `start` into a segmentation network, as far as they fit. Raises InputError."""
    try:
        if isinstance(network, OwnNetwork):
            if start.kind == "presence":
                start_own(network, start.state)
            else:
                start_from_segmentation(network, start.state)
            return
        if not isinstance(network, DeepLab):
            raise TypeError("a first training starts from random weights")
        if start.kind == "imagenet":
            load_backbone(network, start.state, start.source, seed)
        elif start.kind == "presence":
            start_from(network.backbone, dict(start.state))
        else:
            start_from_segmentation(network, start.state)
    except ValueError as error:
        raise InputError(f"{start.source}: {error}.") from error


def order_of(labels: npt.NDArray[np.uint8], twice: Sequence[int]) -> npt.NDArray[np.int64]:
    """The images of one pass: all (N, H, W) in order, then once more those that contain a class of `twice`.

    v3, section 4.3: images of hard classes are duplicated in the training set.
    """
    again = [i for i, label_map in enumerate(labels) if np.isin(label_map, np.array(twice, dtype=np.uint8)).any()]
    return np.concatenate([np.arange(len(labels)), np.array(again, dtype=np.int64)])


def train(
    model: Model,
    classes: int,
    images: PaddedSplit,
    start: InitialWeights | None,
    context: TrainingContext,
    twice: Sequence[int] = (),
) -> Trained:
    """Run a training, or what its checkpoint leaves of it.

    `start`: None for random weights; `twice`: labels whose images a pass holds twice. Raises DivergedError,
    StoppedError, InputError, and torch.OutOfMemoryError where memory is short.
    """
    settings, seed, device = context.settings, context.seed, context.device
    network = network_of(model, classes, settings, seed)
    if model.implementation is None:
        initialise(network, seed)
    if start is not None:
        begin(network, start, seed)
    order = order_of(images.labels, twice) if twice else None
    first = [0]

    def on_start(step: int) -> None:
        first[0] = step
        context.hooks.on_start(step)

    began = time.monotonic()
    noting_the_start = replace(context, hooks=replace(context.hooks, on_start=on_start))
    curve, layouts = fit(network, images, noting_the_start, order)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.monotonic() - began
    done = (settings.iterations - first[0]) * settings.batch_size
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    parameters = sum(p.numel() for p in network.parameters())
    return Trained(state, curve, seconds, done / max(seconds, 1e-9), parameters, layouts)
