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
from repro.judge.result import ALPHA, Differences, EffectResult, Interval, PairGroup, PairResult
from repro.judge.significance import ROUNDING, contains, p_inside, p_outside
from repro.metrics import Floats
from repro.spec.metric import find_metric
from repro.spec.questions import Contrast, Effect, Question

RangeTest = Callable[[Estimate, float, float], float]

FLOOR = 1e-12
"""Smallest value whose logarithm is taken: a ratio to a mean IOU of 0 is then huge, not undefined."""


@dataclass(frozen=True)
class _Sample:
    """One contrast, or their mean, by seed and by replicate."""

    scores: Floats
    rows: Floats | None
    images: int | None
    reference: Floats | None = None
    """The same of reference runs, (m,) by their seeds; None where the seeds' noise is not taken from there."""

    def estimated(self, noisy: bool) -> Estimate:
        if not noisy:
            return exact(float(self.scores[0]))
        return estimate(self.scores, self.rows, self.images, self.reference)


def borrowed_seeds(question: Question, evidence: Evidence, seeds: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds of the reference runs that a question takes the seeds' noise from.

    None where it has several seeds of its own, or reference runs do not show the noise of each of its contrasts.
    """
    if len(seeds) != 1:
        return ()
    common = evidence.reference_seeds([cell.id for cell in question.cells])
    if not common:
        return ()
    contrasts = [c for effects in question.alternatives for effect in effects for c in effect.contrasts]
    vary = all(np.ptp(_of_reference(contrast, question, evidence, common)) > ROUNDING for contrast in contrasts)
    return common if vary else ()


def part_of(
    effect: Effect, question: Question, evidence: Evidence, seeds: Sequence[int], alternative: int = 0,
    borrowed: Sequence[int] = (),
) -> EffectResult:  # fmt: skip
    """Return one effect with its pairs.

    `seeds`: those all cells share; none for computed cells. `borrowed`: as `borrowed_seeds` returns.
    """
    noisy = bool(seeds)
    samples = [_sample(contrast, question, evidence, seeds) for contrast in effect.contrasts]
    if borrowed:
        samples = [
            replace(sample, reference=_of_reference(contrast, question, evidence, borrowed))
            for contrast, sample in zip(effect.contrasts, samples, strict=True)
        ]
    pairs = []
    for contrast, sample in zip(effect.contrasts, samples, strict=True):
        value, limits = sample.estimated(noisy), _limits([contrast], question, noisy)
        pairs.append(
            PairResult(
                contrast.label,
                tuple(cell for cell, _ in contrast.weights),
                _printed(value, question, limits),
                _by_seed(sample, question, seeds),
                contains(value.value, effect.low, effect.high, question.strict),
                _tested(p_outside, value, effect, seeds),
                value,
                limits,
            )
        )
    mean = _mean(samples)
    value, limits = mean.estimated(noisy), _limits(effect.contrasts, question, noisy)
    inside, outside = _tested(p_inside, value, effect, seeds), _tested(p_outside, value, effect, seeds)
    if not noisy:  # nothing to test
        inside = 0.0 if contains(value.value, effect.low, effect.high, question.strict) else 1.0
        outside = 1.0 - inside
    low, high = (math.exp(effect.low), math.exp(effect.high)) if question.logarithmic else (effect.low, effect.high)
    return EffectResult(
        effect.label, _printed(value, question, limits), _by_seed(mean, question, seeds), low, high, inside, outside,
        tuple(pairs), value, limits, alternative, _differences(effect, question, samples, seeds),
    )  # fmt: skip


def _differences(
    effect: Effect, question: Question, samples: Sequence[_Sample], seeds: Sequence[int]
) -> Differences | None:
    """Test whether the pairs behind a mean differ, and say which are the larger ones; None without a test."""
    references = [sample.reference for sample in samples if sample.reference is not None]
    if len(samples) < 2 or (len(seeds) == 1 and not references):
        return None
    scores = np.array([sample.scores for sample in samples])  # (K, n)
    images = _mean(samples).images
    rows = np.array([sample.rows for sample in samples]) if images is not None else None
    reference = np.array(references) if references else None
    spread = heterogeneity(scores, rows, images, reference) if seeds else exactly(scores[:, 0])

    def group(chosen: Sequence[int], label: str) -> PairGroup:
        value = _mean([samples[k] for k in chosen]).estimated(bool(seeds))
        if seeds:
            holds, opposes = (test(value, effect.low, effect.high) <= ALPHA / 2 for test in (p_inside, p_outside))
        else:
            holds = contains(value.value, effect.low, effect.high, question.strict)
            opposes = not holds
        return PairGroup(
            label, len(chosen), math.exp(value.value) if question.logarithmic else value.value, holds, opposes
        )

    strong, weak = split(scores.mean(axis=1), effect.contrasts, question.cells)
    return Differences(spread.p, spread.spread, group(*strong), group(*weak))


def _sample(contrast: Contrast, question: Question, evidence: Evidence, seeds: Sequence[int]) -> _Sample:
    cells = [cell for cell, _ in contrast.weights]
    if not seeds:
        values = np.array([[evidence.computed[cell]] for cell in cells])
        return _Sample(_contrast_of(values, contrast, question), None, None)
    values = np.array([[evidence.values[cell, seed] for seed in seeds] for cell in cells])  # (cells, n)
    scores = _contrast_of(values, contrast, question)
    if not evidence.has_replicates(cells, seeds):
        return _Sample(scores, None, None)
    drawn = np.array([[evidence.replicates[cell, seed] for seed in seeds] for cell in cells])  # (cells, n, B)
    images = min(evidence.images[cell, seed] for cell in cells for seed in seeds)
    return _Sample(scores, _contrast_of(drawn, contrast, question), images)


def _of_reference(contrast: Contrast, question: Question, evidence: Evidence, seeds: Sequence[int]) -> Floats:
    """Return a contrast (m,) of reference runs, by their seeds."""
    scores = [[evidence.reference[cell].scores[seed] for seed in seeds] for cell, _ in contrast.weights]
    return _contrast_of(np.array(scores), contrast, question)


def _contrast_of(values: Floats, contrast: Contrast, question: Question) -> Floats:
    """Return the weighted sum (...) of cells' values (cells, ...) on the scale on which the question is tested."""
    factor = find_metric(question.claim.metric).factor
    scaled = np.log(np.maximum(values, FLOOR)) if question.logarithmic else values * factor
    weights = np.array([weight for _, weight in contrast.weights])
    return np.asarray(np.tensordot(weights, scaled, axes=1))


def _mean(samples: Sequence[_Sample]) -> _Sample:
    scores = np.mean([s.scores for s in samples], axis=0)
    rows = [s.rows for s in samples if s.rows is not None]
    images = [s.images for s in samples if s.images is not None]
    references = [s.reference for s in samples if s.reference is not None]
    reference = np.mean(references, axis=0) if references else None
    if len(rows) < len(samples):
        return _Sample(scores, None, None, reference)
    return _Sample(scores, np.mean(rows, axis=0), min(images), reference)


def _tested(test: RangeTest, value: Estimate, effect: Effect, seeds: Sequence[int]) -> float:
    return test(value, effect.low, effect.high) if seeds and not math.isnan(value.seed_error) else math.nan


def _by_seed(sample: _Sample, question: Question, seeds: Sequence[int]) -> tuple[tuple[int, float], ...]:
    values = np.exp(sample.scores) if question.logarithmic else sample.scores
    return tuple(zip(seeds, values.tolist(), strict=True)) if seeds else ()


def _printed(value: Estimate, question: Question, limits: Interval) -> Estimate:
    """Return an estimate as it is printed, its interval cut off at the limits.

    A logarithm becomes the ratio: ends are transformed, errors to first order.
    """
    if not question.logarithmic:
        return cut_off(value, *limits)
    times = math.exp(value.value)
    return replace(
        value, value=times, low=ratio(value.low), high=ratio(value.high),
        standard_error=value.standard_error * times,
        seed_error=value.seed_error * times, image_error=value.image_error * times,
    )  # fmt: skip


def _limits(contrasts: Sequence[Contrast], question: Question, noisy: bool) -> Interval:
    """Return the lowest and the highest value that a mean of contrasts can have, where what is measured are shares."""
    metric = find_metric(question.claim.metric)
    if question.logarithmic or not noisy or not metric.is_share:
        return Interval(0.0 if question.logarithmic else -math.inf, math.inf)
    unit = metric.factor / len(contrasts)
    weights = [unit * weight for contrast in contrasts for _, weight in contrast.weights]
    return Interval(sum(w for w in weights if w < 0), sum(w for w in weights if w > 0))
