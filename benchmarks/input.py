"""Input: the share of a training step's time that goes into drawing, scaling, cropping, flipping and padding its batch.

Timed by itself, with the device waited for before and after: an upper bound of what a step waits for. Images lie on the
device as uint8. The step is that of `step`: DeepLabv3 on ResNet-101.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from repro.data import augment

from .step import OURS, ours, photographs, settings, steps
from .turns import Row, take_turns

GOAL = 0.02


def bench(device: str) -> list[Row]:
    """One row: the share, which shall be at most 2 %."""
    crop, batch = settings(device)
    run = ours(OURS["DeepLabv3"], device, crop, batch)
    seconds = take_turns({"step": run, "input": inputs(device, crop, batch)}, device, turns=3)
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
    pixels, labels, sizes = (torch.from_numpy(a).to(device) for a in (images.pixels, images.labels, images.sizes))

    def run() -> None:
        for step in range(steps(device)):
            told = {"batch_size": batch, "crop": crop, "scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)}
            drawn = augment.draw(0, step, images.sizes, scale_per="image", flip=True, **told)  # type: ignore[arg-type]
            augment.apply(pixels, labels, sizes, drawn, crop)

    return run
