"""What the judge says: frozen data for reports. Numbers are in a claim's `unit`: points of per cent for mean IOU."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from repro.judge.intervals import Estimate
from repro.spec.cell import Basis
from repro.spec.claim import Over

ALPHA = 0.05
"""What verdicts, intervals and the test of differences between pairs may be wrong by."""
Verdict = Literal[
    "supported", "supported on average", "contradicted", "contradicted on average", "inconclusive", "not run"
]
"""“On average”: of a mean whose pairs differ by more than noise, so that the mean alone would mislead."""
Holds = Literal["holds", "fails", "not testable"]


def average(values: Sequence[float], unit: str) -> float:
    """Return the mean that effects of a unit are averaged by: geometric for ratios ("x"), else arithmetic."""
    if unit == "x":
        return math.exp(sum(math.log(value) for value in values) / len(values))
    return sum(values) / len(values)


@dataclass(frozen=True)
class PublishedPair:
    """One comparison of the paper's own numbers."""

    label: str
    cells: tuple[str, ...]
    value: float
    holds: bool
    limit: float
    """What one seed per cell and a validation set of that size can tell apart, 95 %; 0 for computed cells."""
    distance: float = float("inf")
    """How far it is from the nearest difference that would speak otherwise: too close to tell if below the limit."""


@dataclass(frozen=True)
class PublishedEffect:
    """What a claim is decided on as printed: a comparison, or the mean of several. Fields as in `PublishedPair`."""

    label: str
    value: float
    holds: bool
    limit: float
    distance: float
    pairs: tuple[PublishedPair, ...]
    """The comparisons it is the mean of; the one that it is."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of the cells of a single comparison; none for a mean."""
        return self.pairs[0].cells if len(self.pairs) == 1 else ()


@dataclass(frozen=True)
class Published:
    """A claim checked against the numbers that the paper printed."""

    id: str
    text: str
    status: Holds
    """"holds" if every effect lies in the claimed range as printed."""
    over: Over | None = None
    basis: Basis = "measured"
    """What decides the claim in this suite."""
    unit: str = "points"
    low: float = float("-inf")
    """Ends of the claimed range."""
    high: float = float("inf")
    effects: tuple[PublishedEffect, ...] = ()
    """Every comparison, or the means of those that ask the same thing: as the claim's `over` says."""
    decisive: int = 0
    """Index of the effect that is weakest for the claim."""
    clear: int | None = None
    """Effects farther from the end of the claimed range than their limit; None where noise is no question."""
    note: str = ""
    """In plain words: what the printed numbers say, and whether noise could have said it."""

    @property
    def effect(self) -> float | None:
        """The effect that is weakest for the claim."""
        return self.effects[self.decisive].value if self.effects else None

    @property
    def pairs(self) -> tuple[PublishedPair, ...]:
        """The comparisons of all effects."""
        return tuple(pair for effect in self.effects for pair in effect.pairs)

    def mean_over(self, pairs: Iterable[tuple[str, ...]]) -> float | None:
        """Return the mean of the printed comparisons of these cells; None if one of them was not printed."""
        printed = {pair.cells: pair.value for pair in self.pairs}
        values = [printed.get(cells) for cells in pairs]
        known = [value for value in values if value is not None]
        return average(known, self.unit) if known and len(known) == len(values) else None


class Interval(NamedTuple):
    """Ends of an interval, in the claim's unit."""

    low: float
    high: float


ANYTHING = Interval(-math.inf, math.inf)


@dataclass(frozen=True)
class PairResult:
    """One contrast of an effect: usually left - right at one place of the table."""

    label: str
    cells: tuple[str, ...]
    """Ids: left, right (largest-gain-at: left, right, other left, other right)."""
    estimate: Estimate
    per_seed: tuple[tuple[int, float], ...]
    """(seed, contrast); empty for computed cells."""
    holds: bool
    """Whether its value lies in the claimed range, noise aside."""
    p_outside: float
    """One-sided probability of such data if this pair lay in the range."""
    tested: Estimate
    """What was tested: the estimate; for a ratio that of its logarithm."""
    limits: Interval = ANYTHING
    """The lowest and the highest value that it can have: no interval reaches farther."""
    interval: Interval | None = None
    """Such that those of all pairs of its effect hold together; None if not tested."""


@dataclass(frozen=True)
class PairGroup:
    """Some of the pairs that a mean is made of."""

    label: str
    """What they and only they have in common, in the paper's words; one or two pairs' own names; else empty."""
    pairs: int
    value: float
    """Their mean."""
    holds: bool
    """Whether by themselves they bear the claim out, at 5 %."""
    opposes: bool
    """Whether by themselves they contradict it."""


@dataclass(frozen=True)
class Differences:
    """That the pairs behind a mean differ, or that they don't (see `repro.judge.heterogeneity`)."""

    p: float
    """Probability of pairs as far apart if noise alone set them apart."""
    spread: float
    """Standard deviation of the pairs' true effects: what noise adds is taken off; of logarithms for a ratio."""
    strong: PairGroup
    """The pairs with the largest effects."""
    weak: PairGroup
    """The others."""


@dataclass(frozen=True)
class EffectResult:
    """One effect of a claim: a step, a rival, or the mean over the claim's pairs."""

    label: str
    estimate: Estimate
    per_seed: tuple[tuple[int, float], ...]
    """(seed, effect); empty for computed cells."""
    low: float
    """Ends of the claimed range; infinite where there is none."""
    high: float
    p_inside: float
    """One-sided probability of such data if the effect lay outside the range; NaN with fewer than two seeds."""
    p_outside: float
    """One-sided probability of such data if the effect lay inside."""
    pairs: tuple[PairResult, ...]
    tested: Estimate
    """What was tested: the estimate; for a ratio that of its logarithm."""
    limits: Interval = ANYTHING
    """The lowest and the highest value that it can have: no interval reaches farther."""
    alternative: int = 0
    """Which of the claim's alternatives it belongs to; nearly always there is one."""
    differences: Differences | None = None
    """Of the pairs, where it is a mean of several and there was a test."""
    interval: Interval | None = None
    """Inside the claimed range for every part exactly if the claim is supported, outside for one exactly if it is
    contradicted (`repro.judge.simultaneous`); None if not tested."""


@dataclass(frozen=True)
class ClaimResult:
    """A claim, the verdict, and what it rests on."""

    id: str
    text: str
    kind: str
    metric: str
    published: Published
    over: Over | None = None
    """Whether each comparison has to bear the claim out, or their mean; None where it makes only one."""
    testable: bool = True
    """False: no measurement of this suite can decide it (a text, or a comparison with quoted numbers)."""
    verdict: Verdict = "not run"
    sentence: str = ""
    """The verdict in plain words."""
    qualifier: str = ""
    """Where a verdict "on average" comes from: "carried by block4"."""
    unit: str = "points"
    """"points"; "x" for a ratio; else the metric's printed unit."""
    parts: tuple[EffectResult, ...] = ()
    decisive: int = 0
    """Index of the part that decides: the only one, or the weakest."""
    p: float | None = None
    """Two-sided; None if not tested (not run, one seed, computed)."""
    q: float | None = None
    """p after correction over the table's claims."""
    p_for: float | None = None
    """One-sided, in favour; p is twice the smaller of the two."""
    p_against: float | None = None
    tests: int = 0
    """Claims of the table that q corrects for."""
    level: float | None = None
    """Probability with which an interval may miss: 0.05 as corrected for the table's claims; None if not tested."""
    seeds: tuple[int, ...] = ()
    reference: str = ""
    """Reference runs that the seeds' noise is taken from, where there is one seed: "5 seeds, commit 1a2b3c4"."""
    missing: tuple[str, ...] = ()
    """Ids of cells without a measurement."""
    same: tuple[str, ...] = ()
    """Ids of cells that stand for one measurement, so that there is nothing to compare."""
    collapsed: tuple[str, ...] = ()
    """What is wrong with cells whose score says nothing (`repro.judge.collapse`): they decide no claim."""
    why: str = ""
    """Why it is not testable."""

    @property
    def basis(self) -> Basis:
        """What decides it: measurements, computed figures, or printed numbers alone."""
        return self.published.basis

    @property
    def qualified_verdict(self) -> str:
        """The verdict with its qualifier: "supported on average, carried by block4"."""
        return f"{self.verdict}, {self.qualifier}" if self.qualifier else self.verdict

    @property
    def published_holds(self) -> Holds:
        """Whether the paper's own numbers bear the claim out."""
        return self.published.status

    @property
    def effect(self) -> Estimate | None:
        """The effect that decides, with interval, standard error and degrees of freedom."""
        return self.parts[self.decisive].estimate if self.parts else None

    @property
    def interval(self) -> Interval | None:
        """The interval of the effect that decides, at `level`; None if not tested."""
        return self.parts[self.decisive].interval if self.parts else None

    @property
    def shown_interval(self) -> Interval | None:
        """What is shown beside the effect: `interval`; with one seed what the choice of images makes, at 95 %."""
        effect = self.effect
        if self.interval is None and effect is not None and effect.covers == "images only":
            return Interval(effect.low, effect.high)
        return self.interval

    @property
    def differences(self) -> Differences | None:
        """Of the pairs behind a mean that differ by more than noise; None where none do.

        Of several means the one whose pairs differ most surely; all of them are tested together (Bonferroni). None of
        cells that have collapsed, either.
        """
        if self.collapsed:
            return None
        known = [part.differences for part in self.parts if part.differences is not None]
        most = min(known, key=lambda d: d.p, default=None)
        return most if most is not None and most.p * len(known) <= ALPHA else None

    @property
    def per_seed(self) -> tuple[tuple[int, float], ...]:
        """(seed, effect that decides)."""
        return self.parts[self.decisive].per_seed if self.parts else ()

    @property
    def published_effect(self) -> float | None:
        """The printed counterpart of `effect`: the mean over the same pairs; None if one was not printed."""
        if not self.parts:
            return self.published.effect
        return self.published.mean_over(pair.cells for pair in self.parts[self.decisive].pairs)

    @property
    def n_seeds(self) -> int:
        """Seeds that every cell of the claim was measured with; 0 for computed cells."""
        return len(self.seeds)

    @property
    def pairs(self) -> tuple[PairResult, ...]:
        """The pairs of all parts."""
        return tuple(pair for part in self.parts for pair in part.pairs)
