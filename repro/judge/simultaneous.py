"""Intervals that say what the verdicts say, for all claims and effects of a table at once.

A verdict is corrected for the table's claims, and for a claim's effects; an ordinary 95 % interval is not, and may lie
clear of 0 beside "inconclusive". These intervals are the same tests turned round.

Over claims: of m claims that were tested, Benjamini and Hochberg decide R, namely those with p <= a for

    a = max(R, 1) * 0.05 / m

so intervals that miss with probability a correspond to them. For the claims that were decided these are Benjamini and
Yekutieli's intervals (Journal of the American Statistical Association 100, 2005): of the intervals of decided claims
5 % are expected to miss (the false coverage rate). A table with one claim has a = 0.05.

Over the effects of a claim, of which each must lie in its range, the two ends do different work:

    supported     if every effect lies inside: each end that speaks for it misses with probability a / 2, whatever the
                  number of effects (an intersection-union test)
    contradicted  if some effect lies outside: the end that speaks for it misses with probability a / 2 / effects

so an effect's interval is wide towards the range when it lies outside: the worst of many is seldom as bad as it looks.
For the weakest effect it holds with probability 1 - a, although that effect was chosen by looking. A range that has two
ends may need a wide end where support needs a narrow one; then the interval ends at the range's own end, which is what
the test decided. Where a claim names several places of which one must do, its probability in favour is multiplied by
their number, and so is the share of a that an end has.

Printed, an interval ends where the quantity does: that of a difference of two scores at -100 and 100 points. It decides
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from repro.judge.bounded import ratio
from repro.judge.intervals import Estimate, quantile
from repro.judge.result import ALPHA, ClaimResult, EffectResult, Interval
from repro.judge.significance import false_discovery


def common_level(p: Sequence[float]) -> float:
    """Return the probability a, above: a claim is decided exactly if its p is no larger. `p`: of the claims tested."""
    return max(int((false_discovery(p) <= ALPHA).sum()), 1) * ALPHA / len(p)


def with_intervals(result: ClaimResult, level: float) -> ClaimResult:
    """Return a tested claim with its parts' and their pairs' intervals at a level."""
    alternatives = max(part.alternative for part in result.parts) + 1
    parts = []
    for part in result.parts:
        effects = sum(other.alternative == part.alternative for other in result.parts)
        ends = _ends(part, result.unit, level / (2 * alternatives), level / (2 * effects))
        share = level / (2 * len(part.pairs))
        pairs = tuple(
            replace(pair, interval=_printed(_around(pair.tested, share, share), result.unit, pair.limits))
            for pair in part.pairs
        )
        parts.append(replace(part, interval=ends, pairs=pairs))
    return replace(result, parts=tuple(parts), level=level)


def _ends(part: EffectResult, unit: str, narrow: float, wide: float) -> Interval:
    """Return a part's interval: `narrow` and `wide` are the probabilities of ends that speak for and against."""
    low, high = (math.log(end) if end > 0 else -math.inf for end in (part.low, part.high)) if unit == "x" else (
        part.low, part.high,
    )  # fmt: skip
    near, far = _around(part.tested, narrow, narrow), _around(part.tested, wide, wide)
    if part.tested.value - low <= high - part.tested.value:  # the lower end is the one to reach, or missed
        end = high if near.high <= high < far.high else far.high
        return _printed(Interval(near.low, end), unit, part.limits)
    end = low if far.low < low <= near.low else far.low
    return _printed(Interval(end, near.high), unit, part.limits)


def _around(effect: Estimate, below: float, above: float) -> Interval:
    """Return ends that the truth lies beyond with these probabilities."""
    if effect.standard_error == 0:
        return Interval(effect.value, effect.value)
    error = effect.standard_error
    return Interval(effect.value - quantile(below, effect) * error, effect.value + quantile(above, effect) * error)


def _printed(ends: Interval, unit: str, limits: Interval) -> Interval:
    low, high = map(ratio, ends) if unit == "x" else ends
    return Interval(max(low, limits.low), min(high, limits.high))
