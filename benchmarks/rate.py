"""The rate that `repro plan --gpu` reckons with: multiply-adds a second of training DeepLabv3 on ResNet-101.

Counted as a plan counts them (`repro.plan.cost`), over the time of a step of our loop, input included.
`repro bench rate --save-rate NAME` keeps it in your own gpus.toml.
"""

from __future__ import annotations

from repro.nets.precision import precision
from repro.plan.cost import FULL_SIZE
from repro.plan.layers import multiply_adds

from .step import CLASSES, OURS, seconds_per_step, settings
from .turns import Row, matmul_rate


def bench(device: str) -> list[Row]:
    """One row."""
    import torch

    crop, batch = settings(device)
    seconds = seconds_per_step(OURS["DeepLabv3"], device, crop, batch)
    count = 3 * batch * (multiply_adds(OURS["DeepLabv3"], 16, crop, crop, CLASSES) + FULL_SIZE * crop**2)
    half = precision(torch.device(device), "auto") == "bfloat16"
    what = f"DeepLabv3 ResNet-101, {crop} x {crop}, batch {batch}, {'bfloat16' if half else 'float32'}"
    return [Row("training rate", count / seconds, "multiply-adds/s", floor=matmul_rate(device, half), note=what)]
