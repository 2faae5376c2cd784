"""Input: the share of a training step's time that goes into drawing, scaling, cropping, flipping and padding its batch.

Timed by itself, with the device waited for before and after: an upper bound of what a step waits for. Images lie on the
device as uint8. The step is that of `step`: DeepLabv3 on ResNet-101.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch

from repro.data import augment
from repro.spec.protocol import Train
from repro.train.prefetch import Prefetcher

from .step import OURS, ours, photographs, settings, steps
from .turns import Row, take_turns

GOAL = 0.02


def bench(device: str) -> list[Row]:
    """One row: the share, which shall be at most 2 %."""
    crop, batch = settings(device)
    training = ours(OURS["DeepLabv3"], device, crop, batch)
    turns = {"step": lambda: training.turn(steps(device)), "input": inputs(device, crop, batch)}
    seconds = take_turns(turns, device, turns=3)
    training.close()
    step, own = (statistics.median(seconds[name]) / steps(device) for name in ("step", "input"))
    share = own / step
    return [
        Row("input, share of a step", share, "of the step", goal="at most 2 %", met=share <= GOAL),
        Row("input", own * 1e3, "ms"),
        Row("step, DeepLabv3", step * 1e3, "ms"),
    ]


def inputs(device: str, crop: int, batch: int) -> Callable[[], object]:
    """The batches of a turn as the training loop makes them."""
    images = photographs(2 * batch, crop)
    train = Train(crop=crop, batch_size=batch)
    order = np.arange(len(images.sizes))
    prefetcher = Prefetcher(images, order, train, 0, slice(0, batch), torch.device(device))

    def run() -> None:
        for step in range(steps(device)):
            made = prefetcher(step)
            augment.sample(made.pixels, made.labels, made.sizes, made.drawn, crop)

    return run
