"""Somebody's number beside a published one: are they different, or two runs of the same recipe?

A published mean IOU is one run. Another run of the same recipe, measured on the same images, differs from it by what
seeds change. With n own runs of mean m and a published value p, and if both are the same recipe,

    (m - p) / (s sqrt(1 + 1 / n))

follows Student's t with the degrees of freedom of s. The deviation s between runs is, in this order: what the user says
(`known`), else pooled from the user's own runs (n - 1 degrees of freedom) and the six published runs of v3 Table 11
(0.22 points, 5 degrees of freedom). The choice of images is in neither, as both numbers are of the same images; a
number of other images than the published one's takes their standard error (`image_error`) on top.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from repro.judge.intervals import LEVEL, SMALLEST_TAIL, falling_root, mixed_quantile
from repro.judge.published import SEED_DEVIATION, SEED_DOF


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
    margin: float
    """What runs of one recipe stay within in 95 % of cases."""
    low: float
    """Lower end of the 95 % interval of the difference, which lies where two shares can differ."""
    high: float
    image_error: float
    """Standard error that the choice of images adds; 0 where both numbers are of the same images."""
    probability: float
    """Of a difference at least as large between runs of one recipe."""

    @property
    def difference(self) -> float:
        """Value - published."""
        return self.value - self.published

    @property
    def different(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def judge_number(
    runs: Sequence[float], published: float, known: float | None = None, seed_deviation: float = SEED_DEVIATION,
    image_error: float = 0.0,
) -> NumberVerdict:  # fmt: skip
    """Compare a user's runs (per cent, one or more) with a published value (per cent).

    `known`: the deviation between runs, in points, where the user knows it; `image_error`: the standard error, in
    points, that the choice of images gives the user's number, where they are not the published one's. Raises
    ValueError where there is no run, or a number is not finite, or a deviation not positive.
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
    seeds = deviation * math.sqrt(1 + 1 / n)
    error = math.hypot(seeds, image_error)
    # with images' noise on top (many degrees of freedom): the rule that intervals of cells follow
    share = (seeds / error) ** 2
    margin = mixed_quantile((1 - LEVEL) / 2, share, dof, math.inf) * error
    difference = mean - published
    return NumberVerdict(
        mean, published, n, deviation, dof, source, margin,
        max(difference - margin, -100.0), min(difference + margin, 100.0), image_error,
        2 * _tail(abs(difference) / error, share, dof),
    )  # fmt: skip


def _tail(distance: float, share: float, dof: float) -> float:
    """Return the probability of lying more than `distance` standard errors above the truth."""
    if distance <= 0:
        return 0.5
    lowest = math.log(SMALLEST_TAIL)
    if mixed_quantile(SMALLEST_TAIL, share, dof, math.inf) <= distance:
        return SMALLEST_TAIL
    return math.exp(
        falling_root(lambda x: mixed_quantile(math.exp(x), share, dof, math.inf) - distance, lowest, math.log(0.5))
    )


def sentence(verdict: NumberVerdict) -> str:
    """Return the verdict in one sentence."""
    runs = "one run" if verdict.runs == 1 else f"the mean of {verdict.runs} runs"
    gap = abs(verdict.difference)
    side = "below" if verdict.difference < 0 else "above"
    chance = "less than 0.001" if verdict.probability < 0.001 else f"{verdict.probability:.3f}"
    what = f"{verdict.value:.2f} ({runs}) is {gap:.2f} points {side} the published {verdict.published:.2f}"
    of = "runs of one recipe differ by" if not verdict.image_error else "runs of one recipe on other images differ by"
    rest = f"{of} (up to {verdict.margin:.2f} points in 95 % of cases; probability of such a gap {chance})"
    if verdict.different:
        return f"{what}: more than {rest}. Something in the recipe, the data or the measurement is different."
    return (
        f"{what}: within what {rest}. No difference is shown; the true one lies between {verdict.low:+.2f} and "
        f"{verdict.high:+.2f} points."
    )
