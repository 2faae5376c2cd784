"""Cost of trainings and evaluations from arithmetic alone: for the order of work, the time left, GPU hours.

A forward pass has just the multiply-adds of the network as built (`repro.plan.layers`).
"""

from __future__ import annotations

from collections.abc import Iterable

from repro.plan.layers import multiply_adds, scaled
from repro.plan.work import Evaluation, Training
from repro.spec.dataset import VOC_VAL
from repro.spec.protocol import CRF, Model, Pretrain
from repro.spec.sliding import passes_of

FULL_SIZE = 9 * 12
"""Multiply-adds per pixel that full-size logits, loss and augmentation cost: about 12 channels of 3x3."""
SCORING_SHARE = 0.02
"""What scoring predictions once more costs, in shares of making them."""


def image_cost(model: Model, output_stride: int, height: int, width: int) -> float:
    """Multiply-adds of one image's forward pass, in millions."""
    return multiply_adds(model, output_stride, height, width) / 1e6


def training_cost(training: Training) -> float:
    """Forward and backward of every image of every iteration (backward counts twice)."""
    if training.given:
        return 0.0
    settings = training.settings
    fixed = 0.0 if isinstance(settings, Pretrain) else FULL_SIZE * settings.crop**2 / 1e6
    image = image_cost(training.model, settings.output_stride, settings.crop, settings.crop) + fixed
    return 3 * image * settings.batch_size * settings.iterations


def evaluation_cost(evaluation: Evaluation) -> float:
    """Forward passes over the split at every scale and flip, and the CRF."""
    evaluate, split = evaluation.evaluate, evaluation.images
    images = split.config()["images"] or VOC_VAL
    height, width = evaluate.canvas
    image = _passes_cost(evaluation) * (2 if evaluate.flip else 1)
    if evaluate.crf is None:
        return image * images
    refined = crf_cost(evaluate.crf, split.data.classes, height * width)
    searched = min(evaluate.crf.search_images, images) * evaluate.crf.combinations if evaluate.crf.searched else 0
    return (image + refined) * images + refined * searched


def _passes_cost(evaluation: Evaluation) -> float:
    """One image at every scale, not flipped; through windows as many as lie on a whole canvas."""
    evaluate, model = evaluation.evaluate, evaluation.training.model
    height, width = evaluate.canvas
    if evaluate.window is None:
        whole = image_cost(model, evaluate.output_stride, height, width)
        return whole * sum(scale**2 for scale in evaluate.scales)
    total = 0.0
    for scale in evaluate.scales:
        canvas = (scaled(height, scale), scaled(width, scale))
        count, seen = passes_of(canvas, evaluate.window, evaluate.window_stride)
        total += count * image_cost(model, evaluate.output_stride, *seen)
    return total


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
