"""Largest gain: left - right, seen along `along`, is largest at one of the values `at`.

Each value of `at` is an alternative: gain there - gain at each other place, on each curve, is above 0. Where lower is
better, the two sides of a gain change places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repro.errors import InputError
from repro.spec.claim_kinds.kind import Alternatives, Contrast, Effect, Kind, in_order
from repro.spec.naming import key_name, printed
from repro.spec.scales import fits
from repro.spec.select import pairs, value_of

if TYPE_CHECKING:
    from repro.spec.cell import Cell
    from repro.spec.claim import Claim


def _effects(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> Alternatives:
    along = claim.along or ""
    gains: dict[Any, list[tuple[Cell, Cell]]] = {}
    better = in_order(claim)
    for left, right in pairs(pool, claim.left, claim.right):
        gains.setdefault(value_of(left, along), []).append(better(left, right))
    there = [value for value in gains if fits(value, claim.at)]
    elsewhere = [value for value in gains if value not in there]
    if not there or not elsewhere:
        raise InputError(
            f'claim {claim.id}: at: "{along}" has the values {", ".join(map(str, gains))}. Name some of them.'
        )
    counts = {value: len(own) for value, own in gains.items()}
    if len(set(counts.values())) > 1:
        at = ", ".join(f"{value} has {count}" for value, count in counts.items())
        raise InputError(
            f'claim {claim.id}: along: values of "{along}" have different numbers of pairs ({at}). Restrict `where` to '
            "curves that have each of them."
        )
    return tuple(
        tuple(_gain_over(along, value, other, gains[value], gains[other], names) for other in elsewhere)
        for value in there
    )


def _gain_over(
    along: str, value: Any, other: Any, here: Sequence[tuple[Cell, Cell]], there: Sequence[tuple[Cell, Cell]],
    names: Mapping[str, str],
) -> Effect:  # fmt: skip
    """Gain at `value` minus gain at `other`; the k-th pairs of both belong to one curve (the table's order)."""
    contrasts = tuple(
        Contrast(
            f"({names[a.id]} − {names[b.id]}) − ({names[c.id]} − {names[d.id]})",
            ((a.id, 1.0), (b.id, -1.0), (c.id, -1.0), (d.id, 1.0)),
        )
        for (a, b), (c, d) in zip(here, there, strict=True)
    )
    at, than = (_place(along, v, pair[0]) for v, pair in ((value, here[0]), (other, there[0])))
    return Effect(f"gain at {at} − gain at {than}", contrasts, 0.0, math.inf)


def _place(along: str, value: Any, cell: Cell) -> str:
    """Return where a gain is taken: the row or column of that value as the paper prints it."""
    if along in ("row", "column"):
        return str(value)
    number = printed(cell, str(value))
    return number if number != str(value) else f"{key_name(along)} {value}"


LARGEST_GAIN = Kind(
    "largest-gain-at",
    "the difference is largest at one place of an axis",
    needs=("left", "right", "along", "at"),
    effects=_effects,
)
