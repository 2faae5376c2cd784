"""What the judge says: frozen data for reports. Numbers are in a claim's `unit`: points of per cent for mean IOU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from repro.judge.intervals import Estimate
from repro.spec.claim import Kind

Verdict = Literal["supported", "contradicted", "inconclusive", "not run"]
Holds = Literal["holds", "fails", "not testable"]


@dataclass(frozen=True)
class PublishedPair:
    """One difference between the paper's own numbers."""

    label: str
    cells: tuple[str, ...]
    value: float
    holds: bool
    limit: float
    """What one seed per cell and a validation set of that size can tell apart, 95 %; 0 for computed cells."""
    distance: float = float("inf")
    """How far it is from the nearest difference that would speak otherwise: too close to tell if below the limit."""


@dataclass(frozen=True)
class Published:
    """A claim put to the numbers that the paper printed."""

    id: str
    text: str
    status: Holds
    """"holds" if every pair lies in the claimed range as printed."""
    unit: str = "points"
    low: float = float("-inf")
    """Ends of the claimed range."""
    high: float = float("inf")
    effect: float | None = None
    """Of the pair that is weakest for the claim."""
    decisive: int = 0
    """Index of that pair."""
    pairs: tuple[PublishedPair, ...] = ()
    clear: int | None = None
    """Pairs farther from the end of the claimed range than their limit; None where noise is no question."""
    note: str = ""
    """In plain words: what the printed numbers say, and whether noise could have said it."""


@dataclass(frozen=True)
class Pair:
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


@dataclass(frozen=True)
class Part:
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
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class ClaimResult:
    """A claim, the verdict, and what it rests on."""

    id: str
    text: str
    kind: Kind
    metric: str
    published: Published
    testable: bool = True
    """False: no measurement of this suite can decide it (a text, or a comparison with quoted numbers)."""
    verdict: Verdict = "not run"
    sentence: str = ""
    """The verdict in plain words."""
    unit: str = "points"
    """"points"; "x" for a ratio; else the metric's printed unit."""
    parts: tuple[Part, ...] = ()
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
    seeds: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    """Ids of cells without a measurement."""
    same: tuple[str, ...] = ()
    """Ids of cells that stand for one measurement, so that there is nothing to compare."""
    objecting: tuple[str, ...] = ()
    """Labels of the pairs that by themselves contradict the claim, at 5 % over all of its pairs."""
    why: str = ""
    """Why it is not testable."""

    @property
    def published_holds(self) -> Holds:
        """Whether the paper's own numbers bear the claim out."""
        return self.published.status

    @property
    def effect(self) -> Estimate | None:
        """The effect that decides, with interval, standard error and degrees of freedom."""
        return self.parts[self.decisive].estimate if self.parts else None

    @property
    def per_seed(self) -> tuple[tuple[int, float], ...]:
        """(seed, effect that decides)."""
        return self.parts[self.decisive].per_seed if self.parts else ()

    @property
    def published_effect(self) -> float | None:
        """The printed counterpart of `effect`: the mean over the same pairs; None if one was not printed."""
        if not self.parts:
            return self.published.effect
        printed = {pair.cells: pair.value for pair in self.published.pairs}
        values = [printed.get(pair.cells) for pair in self.parts[self.decisive].pairs]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        if self.unit == "x":
            return math.exp(sum(math.log(value) for value in known) / len(known))
        return sum(known) / len(known)

    @property
    def n_seeds(self) -> int:
        """Seeds that every cell of the claim was measured with; 0 for computed cells."""
        return len(self.seeds)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of all parts."""
        return tuple(pair for part in self.parts for pair in part.pairs)
