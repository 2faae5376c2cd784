"""Somebody's number beside a published one: are they different, or two runs of one recipe?

A published mean IOU is one run. Another run of the same recipe, measured on the same images, differs from it by what
seeds change. With n own runs of mean m and a published value p, and if both are the same recipe,

    (m - p) / (s sqrt(1 + 1 / n))

follows Student's t with the degrees of freedom of s. The deviation s between runs is, in this order: what the user says
(`known`), else pooled from the user's own runs (n - 1 degrees of freedom) and the six published runs of v3 Table 11
(0.22 points, 5 degrees of freedom). The choice of images is in neither: both numbers are of the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.judge.intervals import t_quantile
from repro.judge.published import SEED_DEVIATION, SEED_DOF

LEVEL = 0.95


@dataclass(frozen=True)
class NumberVerdict:
    """How a number compares with a published one; points of mean IOU."""

    value: float
    """The mean of the user's runs."""
    published: float
    runs: int
    deviation: float
    """Standard deviation between runs of one recipe."""
    dof: float
    """Its degrees of freedom; infinite where the user gave it."""
    source: str
    """Where the deviation is from."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    probability: float
    """Of a difference at least as large between runs of one recipe."""

    @property
    def difference(self) -> float:
        """Value - published."""
        return self.value - self.published

    @property
    def margin(self) -> float:
        """Half of the interval: what runs of one recipe stay within in 95 % of cases."""
        return self.high - self.difference

    @property
    def different(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def judge_number(
    runs: Sequence[float], published: float, known: float | None = None, seed_deviation: float = SEED_DEVIATION
) -> NumberVerdict:
    """Compare a user's runs (per cent, one or more) with a published value (per cent).

    `known`: the deviation between runs, in points, where the user knows it. Raises ValueError where there is no run, or
    a number is not finite, or a deviation not positive.
    """
    values = np.asarray(runs, np.float64)
    if not len(values) or not np.isfinite([*values, published]).all():
        raise ValueError("runs and the published value must be finite numbers, one run at least")
    if known is not None and not (math.isfinite(known) and known > 0):
        raise ValueError(f"a deviation between runs must be positive, not {known}")
    n, mean = len(values), float(values.mean())
    own = float(values.var(ddof=1)) if n > 1 else 0.0
    dof: float = SEED_DOF + n - 1
    if known is not None:
        deviation, dof, source = known, math.inf, "as given"
    else:
        deviation = math.sqrt(((n - 1) * own + SEED_DOF * seed_deviation**2) / dof)
        source = "six published runs (v3 Table 11)"
        if n > 1:
            source = f"these {n} runs and {source}"
    error = deviation * math.sqrt(1 + 1 / n)
    margin = t_quantile(1 - (1 - LEVEL) / 2, dof) * error
    difference = mean - published
    return NumberVerdict(
        mean, published, n, deviation, dof, source, difference - margin, difference + margin,
        2 * _beyond(abs(difference) / error, dof),
    )  # fmt: skip


def _beyond(t: float, dof: float) -> float:
    from scipy.special import ndtr, stdtr

    return float(ndtr(-t) if math.isinf(dof) else stdtr(dof, -t))


def sentence(verdict: NumberVerdict) -> str:
    """Return the verdict in one sentence."""
    runs = "one run" if verdict.runs == 1 else f"the mean of {verdict.runs} runs"
    gap = abs(verdict.difference)
    side = "below" if verdict.difference < 0 else "above"
    chance = "less than 0.001" if verdict.probability < 0.001 else f"{verdict.probability:.3f}"
    what = f"{verdict.value:.2f} ({runs}) is {gap:.2f} points {side} the published {verdict.published:.2f}"
    if verdict.different:
        return (
            f"{what}: more than runs of one recipe differ by (up to {verdict.margin:.2f} points in 95 % of cases; "
            f"probability of such a gap {chance}). Something in the recipe, the data or the measurement is different."
        )
    return (
        f"{what}: within what runs of one recipe differ by (up to {verdict.margin:.2f} points in 95 % of cases; "
        f"probability of such a gap {chance}). No difference is shown; the true one lies between "
        f"{verdict.low:+.2f} and {verdict.high:+.2f} points."
    )
