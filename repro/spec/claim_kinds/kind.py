"""What a kind of claim declares, and the contrasts of cells that its questions are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repro.spec.metric import find_metric

if TYPE_CHECKING:
    from repro.spec.cell import Cell
    from repro.spec.claim import Claim


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells whose weights add to 0."""

    label: str
    weights: tuple[tuple[str, float], ...]
    """(cell id, weight)."""


@dataclass(frozen=True)
class Effect:
    """A contrast, or the mean of those that ask the same thing, and the range the claim gives it."""

    label: str
    contrasts: tuple[Contrast, ...]
    low: float
    """-inf or inf: no such end. Points for shares, the printed unit for others, natural logarithms for a ratio."""
    high: float


Alternatives = tuple[tuple[Effect, ...], ...]
"""A claim holds if all effects of one alternative lie in their ranges."""
Effects = Callable[["Claim", "Sequence[Cell]", Mapping[str, str]], Alternatives]
"""(claim, cells that its `where` leaves, cell id -> label) -> effects; what asks the same thing is one effect."""


@dataclass(frozen=True)
class Kind:
    """A kind of claim: its parameters, its judge and the words of its sentences."""

    name: str
    statement: str
    """For the table of docs/specs.md."""
    needs: tuple[str, ...]
    """Fields of `Claim`, or own `parameters`, that must be given."""
    effects: Effects | None
    """Which differences of cells must lie in which range; None where numbers cannot decide."""
    takes: tuple[str, ...] = ()
    """Fields that may be given, beside `over`."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Name -> type of what this kind alone has: `claim.parameters[name]`."""
    check: Callable[[Claim], None] = lambda _claim: None
    """Raise ValueError where fields do not go together."""
    logarithmic: bool = False
    """Contrasts are of logarithms of cells: their exponential is a ratio."""
    strict: bool = True
    """An end of a range does not belong to it: two equal numbers are not one "better"."""
    weakest: str = "the weakest"
    """What the deciding one of several effects is called."""
    too_close_to: str = ""
    """What an effect is too close to where single runs cannot tell; `{high}` is the range's upper end. Empty: none."""


def difference(left: Cell, right: Cell, names: Mapping[str, str], sign: str = " − ") -> Contrast:
    """Return left - right."""
    return Contrast(f"{names[left.id]}{sign}{names[right.id]}", ((left.id, 1.0), (right.id, -1.0)))


def in_order(claim: Claim) -> Callable[[Cell, Cell], tuple[Cell, Cell]]:
    """Return how two cells stand in a difference that is positive where the first of them is better."""
    higher = find_metric(claim.metric).better == "higher"
    return lambda first, second: (first, second) if higher else (second, first)
