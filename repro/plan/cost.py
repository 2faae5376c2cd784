"""Relative cost of trainings and evaluations, from arithmetic alone: for the order of work and the time left.

Good to a factor of about 1.5; `repro cost` counts the built network exactly.
"""

from __future__ import annotations

from repro.plan.work import Evaluation, Training
from repro.spec.protocol import Model, Pretrain


def image_cost(model: Model, output_stride: int, height: int, width: int) -> float:
    """Approximate multiply-adds of one image's forward pass, in millions."""
    total = 27.0 * model.stem_width / 4 + (9.0 * 3 * model.stem_width**2 / 4 if model.stem == "beta" else 0)
    stride = 4
    for block in range(1, model.last_block + 1):
        inner = model.width * 2 ** (min(block, 4) - 1)
        at = min(stride, output_stride)
        # 1x1, 3x3, 1x1 of a bottleneck, 4 times as wide outside
        total += model.units[min(block, 4) - 1] * (4 + 9 + 4) * inner**2 / at**2
        stride *= 2
    outer = 4 * model.width * 8
    branches = len(model.atrous_rates) * 9 + 2 if model.head != "cascade" else 0
    total += branches * outer * model.head_channels / min(stride, output_stride) ** 2
    if model.decoder:
        total += model.decoder_convs * 9 * model.decoder_channels**2 / 16
    return total * height * width / 1e6


def training_cost(training: Training) -> float:
    """Forward and backward of every image of every iteration (backward counts twice)."""
    settings = training.settings
    # full-size logits, loss and augmentation cost about as much as 12 channels of 3x3 at full size
    fixed = 0.0 if isinstance(settings, Pretrain) else 9 * 12 * settings.crop**2 / 1e6
    one = image_cost(training.model, settings.output_stride, settings.crop, settings.crop) + fixed
    return 3 * one * settings.batch_size * settings.iterations


def evaluation_cost(evaluation: Evaluation) -> float:
    """Forward passes over the split at every scale and flip."""
    evaluate, split = evaluation.evaluate, evaluation.images
    images = split.config()["images"] or 1449
    height, width = evaluate.canvas
    area = sum(scale**2 for scale in evaluate.scales) * (2 if evaluate.flip else 1)
    return image_cost(evaluation.training.model, evaluate.output_stride, height, width) * area * images
