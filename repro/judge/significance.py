"""How sure an estimate lies inside, or outside, the range a claim gives; and false discoveries over many claims.

Every claim says that one or several effects lie in a range: above a margin, or between two ends. Two one-sided
probabilities are computed for each effect, each the largest that Student's t gives under the hypothesis to be refuted:

    p_inside   of data this much in favour if the effect lay outside the range (two one-sided tests, the larger counts)
    p_outside  of data this much against, on the side where the effect is found, if it lay inside

A claim's probability is two-sided: twice the smaller of the two. So a claim is refuted or borne out at 5 % exactly when
the whole 95 % interval lies outside or inside its range; a range that has two ends can be missed on two sides, each at
2.5 %. For several effects and claims `repro.judge.simultaneous` has the intervals of which the same is true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from repro.judge.intervals import Estimate, upper_tail
from repro.metrics import Floats

ROUNDING = 1e-9
"""Two printed numbers that differ by less are the same: 77.21 - 75.95 is 1.2599999999999909 in binary."""


def contains(value: float, low: float, high: float, strict: bool) -> bool:
    """Say whether a number without uncertainty lies in the range; with `strict` an end does not belong to it."""
    slack = -ROUNDING if strict else ROUNDING
    return low - slack < value < high + slack


def p_inside(effect: Estimate, low: float, high: float) -> float:
    """Return the probability of data this much in favour of low < effect < high, were the effect outside."""
    return max(_tail(effect, effect.value - low), _tail(effect, high - effect.value))


def p_outside(effect: Estimate, low: float, high: float) -> float:
    """Return the probability of data this much against low < effect < high, on that side, were the effect inside."""
    return min(_tail(effect, low - effect.value), _tail(effect, effect.value - high))


def _tail(effect: Estimate, distance: float) -> float:
    if math.isinf(distance):
        return 0.0 if distance > 0 else 1.0
    if effect.standard_error == 0:
        return 0.5 if distance == 0 else 0.0 if distance > 0 else 1.0
    return upper_tail(distance / effect.standard_error, effect)


def two_sided(inside: float, outside: float) -> float:
    """Return the two-sided probability of a claim from its two one-sided ones."""
    return min(1.0, 2 * min(inside, outside))


def false_discovery(p: Sequence[float]) -> Floats:
    """Return the q values (n,) of probabilities (n,): Benjamini and Hochberg (JRSS B 57, 1995).

    Calling all claims with q <= 0.05 findings keeps the expected share of false ones among them at 5 % or below, for
    independent tests and for positively dependent ones (claims of one table share cells).
    """
    probabilities = np.asarray(p, dtype=np.float64)
    order = np.argsort(probabilities)[::-1]
    ranks = np.arange(len(probabilities), 0, -1)
    q = np.empty_like(probabilities)
    q[order] = np.minimum.accumulate(probabilities[order] * len(probabilities) / np.maximum(ranks, 1))
    return np.minimum(q, 1.0)
