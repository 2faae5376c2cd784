"""Effects of a claim estimated from evidence: paired by seed and by resampled image before anything is averaged.

Axes: scores (n,) by seed, rows (n, B) by seed and replicate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repro.judge.bounded import cut_off, ratio
from repro.judge.evidence import Evidence
from repro.judge.groups import split
from repro.judge.heterogeneity import exactly, heterogeneity
from repro.judge.intervals import Estimate, estimate, exact
from repro.judge.miou import Floats
from repro.judge.result import ALPHA, Differences, Group, Interval, Pair, Part
from repro.judge.significance import contains, p_inside, p_outside
from repro.spec.questions import Contrast, Effect, Question

RangeTest = Callable[[Estimate, float, float], float]

FLOOR = 1e-12
"""Smallest value whose logarithm is taken: a ratio to a mean IOU of 0 is then huge, not undefined."""


def unit_factor(metric: str) -> float:
    """Return what an internal value is multiplied by for print: mean IOU in [0, 1] to points of per cent."""
    return 100.0 if metric.endswith("iou") else 1.0


@dataclass(frozen=True)
class _Sample:
    """One contrast, or their mean, by seed and by replicate."""

    scores: Floats
    rows: Floats | None
    images: int | None

    def estimated(self, noisy: bool) -> Estimate:
        return estimate(self.scores, self.rows, self.images) if noisy else exact(float(self.scores[0]))


def part_of(
    effect: Effect, asked: Question, evidence: Evidence, seeds: Sequence[int], alternative: int = 0
) -> Part:  # fmt: skip
    """Return one effect with its pairs. `seeds`: those all cells share; none for computed cells."""
    noisy = bool(seeds)
    samples = [_sample(contrast, asked, evidence, seeds) for contrast in effect.contrasts]
    pairs = []
    for contrast, sample in zip(effect.contrasts, samples, strict=True):
        value, limits = sample.estimated(noisy), _limits([contrast], asked, noisy)
        pairs.append(
            Pair(
                contrast.label,
                tuple(cell for cell, _ in contrast.weights),
                _printed(value, asked, limits),
                _by_seed(sample, asked, seeds),
                contains(value.value, effect.low, effect.high, asked.strict),
                _tested(p_outside, value, effect, seeds),
                value,
                limits,
            )
        )
    mean = _mean(samples)
    value, limits = mean.estimated(noisy), _limits(effect.contrasts, asked, noisy)
    inside, outside = _tested(p_inside, value, effect, seeds), _tested(p_outside, value, effect, seeds)
    if not noisy:  # nothing to test
        inside = 0.0 if contains(value.value, effect.low, effect.high, asked.strict) else 1.0
        outside = 1.0 - inside
    low, high = (math.exp(effect.low), math.exp(effect.high)) if asked.logarithmic else (effect.low, effect.high)
    return Part(
        effect.label, _printed(value, asked, limits), _by_seed(mean, asked, seeds), low, high, inside, outside,
        tuple(pairs), value, limits, alternative, _differences(effect, asked, samples, seeds),
    )  # fmt: skip


def _differences(
    effect: Effect, asked: Question, samples: Sequence[_Sample], seeds: Sequence[int]
) -> Differences | None:
    """Test whether the pairs behind a mean differ, and say which are the larger ones; None without a test."""
    if len(samples) < 2 or len(seeds) == 1:
        return None
    scores = np.array([sample.scores for sample in samples])  # (K, n)
    images = _mean(samples).images
    rows = np.array([sample.rows for sample in samples]) if images is not None else None
    found = heterogeneity(scores, rows, images) if seeds else exactly(scores[:, 0])

    def group(chosen: Sequence[int], label: str) -> Group:
        value = _mean([samples[k] for k in chosen]).estimated(bool(seeds))
        if seeds:
            holds, opposes = (test(value, effect.low, effect.high) <= ALPHA / 2 for test in (p_inside, p_outside))
        else:
            holds = contains(value.value, effect.low, effect.high, asked.strict)
            opposes = not holds
        return Group(label, len(chosen), math.exp(value.value) if asked.logarithmic else value.value, holds, opposes)

    strong, weak = split(scores.mean(axis=1), effect.contrasts, asked.cells)
    return Differences(found.p, found.spread, group(*strong), group(*weak))


def _sample(contrast: Contrast, asked: Question, evidence: Evidence, seeds: Sequence[int]) -> _Sample:
    factor = unit_factor(asked.claim.metric)

    def scaled(values: Floats) -> Floats:
        return np.log(np.maximum(values, FLOOR)) if asked.logarithmic else values * factor

    cells = [cell for cell, _ in contrast.weights]
    weights = np.array([weight for _, weight in contrast.weights])
    if not seeds:
        return _Sample(np.atleast_1d(weights @ scaled(np.array([evidence.computed[c] for c in cells]))), None, None)
    values = np.array([[evidence.values[cell, seed] for seed in seeds] for cell in cells])  # (cells, n)
    scores = weights @ scaled(values)
    if not evidence.has_replicates(cells, seeds):
        return _Sample(scores, None, None)
    drawn = np.array([[evidence.replicates[cell, seed] for seed in seeds] for cell in cells])  # (cells, n, B)
    images = min(evidence.images[cell, seed] for cell in cells for seed in seeds)
    return _Sample(scores, np.tensordot(weights, scaled(drawn), axes=1), images)


def _mean(samples: Sequence[_Sample]) -> _Sample:
    scores = np.mean([s.scores for s in samples], axis=0)
    rows = [s.rows for s in samples if s.rows is not None]
    images = [s.images for s in samples if s.images is not None]
    if len(rows) < len(samples):
        return _Sample(scores, None, None)
    return _Sample(scores, np.mean(rows, axis=0), min(images))


def _tested(test: RangeTest, value: Estimate, effect: Effect, seeds: Sequence[int]) -> float:
    return test(value, effect.low, effect.high) if len(seeds) > 1 else math.nan


def _by_seed(sample: _Sample, asked: Question, seeds: Sequence[int]) -> tuple[tuple[int, float], ...]:
    values = np.exp(sample.scores) if asked.logarithmic else sample.scores
    return tuple(zip(seeds, values.tolist(), strict=True)) if seeds else ()


def _printed(value: Estimate, asked: Question, limits: Interval) -> Estimate:
    """Return an estimate as it is printed, its interval cut off at the limits.

    A logarithm becomes the ratio: ends are transformed, errors to first order.
    """
    if not asked.logarithmic:
        return cut_off(value, *limits)
    times = math.exp(value.value)
    return replace(
        value, value=times, low=ratio(value.low), high=ratio(value.high),
        standard_error=value.standard_error * times,
        seed_error=value.seed_error * times, image_error=value.image_error * times,
    )  # fmt: skip


def _limits(contrasts: Sequence[Contrast], asked: Question, noisy: bool) -> Interval:
    """Return the lowest and the highest value that a mean of contrasts can have, where what is measured are shares."""
    if asked.logarithmic or not noisy:
        return Interval(0.0 if asked.logarithmic else -math.inf, math.inf)
    unit = unit_factor(asked.claim.metric) / len(contrasts)
    weights = [unit * weight for contrast in contrasts for _, weight in contrast.weights]
    return Interval(sum(w for w in weights if w < 0), sum(w for w in weights if w > 0))
