"""Relative cost of trainings and evaluations, from arithmetic alone: for the order of work and the time left.

Good to a factor of about 1.5; `repro cost` counts the built network exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

from repro.plan.work import Evaluation, Training
from repro.spec.protocol import CRF, Model, Pretrain

MSC_AREA = 1.0 + 0.75**2 + 0.5**2
"""v2's three input scales, in areas of the first."""
SCORING_SHARE = 0.02
"""What scoring predictions once more costs, in shares of making them."""


def image_cost(model: Model, output_stride: int, height: int, width: int) -> float:
    """Approximate multiply-adds of one image's forward pass, in millions."""
    if model.backbone == "vgg16":
        backbone, channels = _vgg16(model, output_stride)
    elif model.backbone.startswith("xception"):
        backbone, channels = _xception(model, output_stride)
    else:
        backbone, channels = _resnet(model, output_stride)
    total = backbone + _head(model, channels) / output_stride**2
    if model.decoder:
        depth = 9 if model.decoder_kernel == 3 and not model.separable else 1
        total += model.decoder_convs * depth * model.decoder_channels**2 / 16
    return total * (MSC_AREA if model.multi_scale else 1.0) * height * width / 1e6


def _resnet(model: Model, output_stride: int) -> tuple[float, int]:
    """Multiply-adds per input pixel, and channels at the end."""
    total = 27.0 * model.stem_width / 4 + (9.0 * 3 * model.stem_width**2 / 4 if model.stem == "beta" else 0)
    stride = 4
    for block in range(1, model.last_block + 1):
        inner = model.width * 2 ** (min(block, 4) - 1)
        # 1x1, 3x3, 1x1 of a bottleneck, 4 times as wide outside
        total += model.units[min(block, 4) - 1] * (4 + 9 + 4) * inner**2 / min(stride, output_stride) ** 2
        stride *= 2
    return total, 4 * model.width * 8


def _vgg16(model: Model, output_stride: int) -> tuple[float, int]:
    """As `_resnet`: plain 3x3 convolutions, the first two at full size."""
    total, channels, stride = 0.0, 3, 1
    for block in range(1, 6):
        width = model.width * 2 ** (min(block, 4) - 1)
        for _ in range(model.units[min(block, 4) - 1]):
            total += 9.0 * channels * width / stride**2
            channels = width
        stride = min(stride * 2, output_stride)
    return total, channels


def _xception(model: Model, output_stride: int) -> tuple[float, int]:
    """As `_resnet`: three separable convolutions a module, of which the pointwise parts cost most."""
    unit = model.width / 64
    total = (27 * model.stem_width / 2 + 9 * model.stem_width**2 / 2) / 4.0
    stride, channels = 2, float(model.stem_width)
    stages = [*zip((128, 256, 728), model.units[:3], strict=True), (728, model.units[3]), (1024, 1), (2048, 1)]
    for stage, (depth, modules) in enumerate(stages):
        width = depth * unit
        for _ in range(modules):
            total += (channels * width + 2 * width**2 + 9 * 3 * width) / min(stride, output_stride) ** 2
            channels = width
        stride = stride * 2 if stage in (0, 1, 2, 4) else stride
    return total, round(2048 * unit)


def _head(model: Model, channels: int) -> float:
    """Multiply-adds per pixel of the last map."""
    branches = len(model.atrous_rates)
    if model.head == "aspp":
        return ((1 if model.separable else 9) * branches + 2) * channels * model.head_channels
    if model.head == "fc":
        return branches * (model.fc_kernel**2 * channels * model.fc_channels + model.fc_channels**2)
    return 9.0 * branches * channels * 21


def training_cost(training: Training) -> float:
    """Forward and backward of every image of every iteration (backward counts twice)."""
    settings = training.settings
    # full-size logits, loss and augmentation cost about as much as 12 channels of 3x3 at full size
    fixed = 0.0 if isinstance(settings, Pretrain) else 9 * 12 * settings.crop**2 / 1e6
    one = image_cost(training.model, settings.output_stride, settings.crop, settings.crop) + fixed
    return 3 * one * settings.batch_size * settings.iterations


def evaluation_cost(evaluation: Evaluation) -> float:
    """Forward passes over the split at every scale and flip, and the CRF."""
    evaluate, split = evaluation.evaluate, evaluation.images
    images = split.config()["images"] or 1449
    height, width = evaluate.canvas
    area = sum(scale**2 for scale in evaluate.scales) * (2 if evaluate.flip else 1)
    one = image_cost(evaluation.training.model, evaluate.output_stride, height, width) * area
    if evaluate.crf is None:
        return one * images
    refined = crf_cost(evaluate.crf, split.data.classes, height * width)
    searched = min(evaluate.crf.search_images, images) * evaluate.crf.combinations if evaluate.crf.searched else 0
    return (one + refined) * images + refined * searched


def crf_cost(crf: CRF, classes: int, pixels: int) -> float:
    """Mean field on one image, in millions: filtering on a lattice of five dimensions costs about 100 a value."""
    return crf.iterations * classes * pixels * 100 / 1e6


def evaluation_costs(evaluations: Iterable[Evaluation]) -> dict[str, float]:
    """Key -> cost, where predictions that several evaluations score are paid for by the first of them."""
    costs: dict[str, float] = {}
    made: set[str] = set()
    for evaluation in evaluations:
        alike = repr((evaluation.training.key, evaluation.strategy, evaluation.images))
        costs[evaluation.key] = evaluation_cost(evaluation) * (SCORING_SHARE if alike in made else 1.0)
        made.add(alike)
    return costs
