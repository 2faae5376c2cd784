"""A step or an evaluation held against the baseline's: what differs by more than rounding, and where it begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from repro.regression.baseline import FrozenProbe, FrozenTable
from repro.regression.quantity import CountsQuantity, Exact, Near, Observation, Quantity, ScoreQuantity

FACTOR = 8.0
"""So many times what other rounding was seen to change is tolerated."""
FLOOR = 4e-6
"""Of a tensor's norm: some tens of float32's last bits."""
PIXELS_FLOOR = 1e-4
"""Share of the counted pixels that may go to another class."""

ComparedState = Literal["same", "moved", "failed"]


@dataclass(frozen=True)
class Comparison:
    """One quantity. Distances are shares of a norm, numbers of pixels, or differences of scores."""

    quantity: str
    distance: float
    tolerance: float
    moved: bool
    cosine: float | None = None
    """Of the angle between both tensors; None for what is no tensor."""
    detail: str = ""


@dataclass(frozen=True)
class ProbeResult:
    """A step or an evaluation."""

    name: str
    comparisons: tuple[Comparison, ...] = ()
    failure: str = ""
    """Why it could not be computed."""

    @property
    def state(self) -> ComparedState:
        """moved: something differs by more than rounding."""
        return "failed" if self.failure else "moved" if self.first is not None else "same"

    @property
    def first(self) -> Comparison | None:
        """The first quantity that moved, in the order of computing."""
        return next((comparison for comparison in self.comparisons if comparison.moved), None)

    @property
    def before(self) -> Comparison | None:
        """The last one before it; None where there is none."""
        earlier = None
        for comparison in self.comparisons:
            if comparison.moved:
                return earlier
            earlier = comparison
        return None


@dataclass(frozen=True)
class FrozenResult:
    """A table's steps and evaluations held against their baseline."""

    table: str
    scale: str
    probes: tuple[ProbeResult, ...]

    def count(self, state: ComparedState) -> int:
        """How many are in a state."""
        return sum(probe.state == state for probe in self.probes)

    @property
    def passed(self) -> bool:
        """Whether nothing moved or failed."""
        return all(probe.state == "same" for probe in self.probes)

    @property
    def comparisons(self) -> int:
        """How many there are."""
        return sum(len(probe.comparisons) for probe in self.probes)


def hold(before: FrozenTable, now: Mapping[str, Observation], failed: Mapping[str, str]) -> FrozenResult:
    """Hold what was seen `now` (probe -> quantities) against a baseline. Every probe must be in it."""
    usual = usual_rounding(before.probes)
    results: dict[int, ProbeResult] = {}
    for name in (*now, *failed):
        old = before.probe(name)
        if old is None:
            raise ValueError(f"{name} is not in the baseline")
        place = before.probes.index(old)
        if name in failed:
            results[place] = ProbeResult(name, failure=failed[name])
        else:
            results[place] = ProbeResult(name, tuple(compared(old, now[name], usual)))
    return FrozenResult(before.table, before.scale, tuple(results[place] for place in sorted(results)))


def usual_rounding(probes: Sequence[FrozenProbe]) -> dict[str, float]:
    """Quantity -> the median, over a table's networks, of what other rounding changed."""
    distances: dict[str, list[float]] = {}
    for probe in probes:
        for name in probe.seen:
            distances.setdefault(name, []).append(probe.rounding.get(name, 0.0))
    return {name: median(values) for name, values in distances.items()}


def compared(old: FrozenProbe, now: Observation, usual: Mapping[str, float]) -> list[Comparison]:
    """Every quantity that either has, in the order of computing."""
    before = old.observation
    comparisons = []
    for name in dict.fromkeys((*before, *now)):
        first, second = before.get(name), now.get(name)
        if first is None or second is None:
            change = "is new" if first is None else "is no longer there"
            comparisons.append(Comparison(name, math.inf, 0.0, True, detail=change))
        else:
            rounding = max(old.rounding.get(name, 0.0), usual.get(name, 0.0))
            comparisons.append(_compared(name, first, second, tolerance(first, before, rounding)))
    return comparisons


def tolerance(quantity: Quantity, before: Observation, rounding: float) -> float:
    """How far a quantity of `before` may move where other rounding was seen to move it so far.

    Rounding is a network's own or the table's usual one, whichever is larger: a few tries may show too little of it.
    """
    if isinstance(quantity, Exact):
        return 0.0
    if isinstance(quantity, Near):
        return max(FACTOR * rounding, FLOOR)
    counts = next((seen for seen in before.values() if isinstance(seen, CountsQuantity)), None)
    if counts is None:
        return FACTOR * rounding
    pixels = math.ceil(
        max(FACTOR * rounding if isinstance(quantity, CountsQuantity) else 0.0, PIXELS_FLOOR * counts.pixels)
    )
    return float(pixels) if isinstance(quantity, CountsQuantity) else max(_most(counts, pixels), FACTOR * rounding)


def _most(counts: CountsQuantity, pixels: int) -> float:
    """How far so many pixels can move a mean IOU, about: each changes the union of two classes."""
    unions = [sum(row) + sum(other[k] for other in counts.matrix) - row[k] for k, row in enumerate(counts.matrix)]
    there = sorted(union for union in unions if union > 0)
    return sum(min(1.0, pixels / union) for union in there[:2]) / max(len(there), 1)


def _compared(name: str, first: Quantity, second: Quantity, tolerated: float) -> Comparison:
    distance = first.distance(second)
    # "not within" rather than "beyond": what is not a number has moved
    moved = not distance <= tolerated
    cosine = first.sketch.cosine(second.sketch) if isinstance(first, Near) and isinstance(second, Near) else None
    detail = ""
    if moved and isinstance(first, Exact) and isinstance(second, Exact):
        detail = f"{first.text} -> {second.text}"
    if moved and isinstance(first, ScoreQuantity) and isinstance(second, ScoreQuantity):
        detail = f"{first.value:.6f} -> {second.value:.6f}"
    return Comparison(name, distance, tolerated, moved, cosine, detail)
