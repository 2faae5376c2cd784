"""What stays the same during a training: its settings and seed, and where and how it is computed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from repro.spec.protocol import Pretrain, Train
from repro.train.distributed import SINGLE_PROCESS, DistributedContext
from repro.train.launch_modes import Kernels, LaunchMode


@dataclass(frozen=True)
class Hooks:
    """The side effects of a training: where checkpoints go, who hears of steps, who may stop it."""

    folder: Path | None = None
    checkpoint_seconds: float = 20.0
    checkpoint_steps: int | None = None
    on_start: Callable[[int], None] = lambda _step: None
    on_step: Callable[[int, float, float], None] = lambda _step, _loss, _seconds: None
    should_stop: Callable[[], bool] = lambda: False
    warn: Callable[[str], None] = lambda text: warnings.warn(text, stacklevel=2)


@dataclass(frozen=True)
class TrainingContext:
    """A training's settings and seed, the device and processes that compute it, and its side effects.

    Every process of `dist` has the same settings, seed, launch mode and kernels.
    """

    settings: Train | Pretrain
    seed: int
    device: torch.device
    hooks: Hooks = field(default_factory=Hooks)
    dist: DistributedContext = SINGLE_PROCESS
    launch: LaunchMode = "eager"
    kernels: Kernels = "torch"
