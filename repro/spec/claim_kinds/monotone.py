"""Monotone: among the cells of `where`, ordered by `along`, each step goes the claimed way by more than margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from repro.errors import InputError
from repro.spec.claim_kinds.kind import Alternatives, Effect, Kind, difference
from repro.spec.naming import key_name, printed
from repro.spec.select import alike, key_names, value_of

if TYPE_CHECKING:
    from repro.spec.cell import Cell
    from repro.spec.claim import Claim


def _effects(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> Alternatives:
    steps: dict[tuple[Any, Any], list[tuple[Cell, Cell]]] = {}
    for line in _series(claim, pool):
        for (before, a), (after, b) in pairwise(line):
            steps.setdefault((before, after), []).append((b, a) if claim.direction == "increasing" else (a, b))
    return (
        tuple(
            Effect(
                _step_label(claim, values, pairs), tuple(difference(*p, names) for p in pairs), claim.margin, math.inf
            )
            for values, pairs in steps.items()
        ),
    )


def _series(claim: Claim, pool: Sequence[Cell]) -> list[list[tuple[Any, Cell]]]:
    """Return the lines of (value of `along`, cell) that agree on every other setting, each in order of `along`.

    Cells with all different values are one line, whatever else they set (a batch size that goes with an output stride).
    Numbers are in order of size, other values in the table's order.
    """
    along = claim.along or ""
    points = [(value_of(cell, along), cell) for cell in pool]
    values = list(dict.fromkeys(value for value, _ in points))
    if all(isinstance(v, int | float) for v in values):
        values.sort()
    if len(values) == len(points):
        lines = [points]
    else:
        named = set(key_names(pool, along))
        lines = []
        for value, cell in points:
            home = next((line for line in lines if _same_line(line[0][1], cell, named, along)), None)
            if home is None:
                lines.append([(value, cell)])
            else:
                home.append((value, cell))
    for line in lines:
        line.sort(key=lambda point: values.index(point[0]))
        if len(line) < 2:
            raise InputError(f'claim {claim.id}: {line[0][1].id} has no partner along "{along}". Restrict `where`.')
    return lines


def _same_line(a: Cell, b: Cell, named: set[str], along: str) -> bool:
    if a.settings and b.settings:
        return a.table == b.table and alike(a, b, named)
    return a.table == b.table and (a.column_label == b.column_label if along == "row" else a.row_label == b.row_label)


def _step_label(claim: Claim, values: tuple[Any, Any], pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """Return what two cells of every pair differ in, in the paper's words: "block6 − block5"."""
    for place in ("column_label", "row_label"):
        sides = {tuple(printed(cell, getattr(cell, place)) for cell in pair) for pair in pairs}
        if len(sides) == 1 and len(set(both := next(iter(sides)))) == 2:
            return " − ".join(both)
    return f"{key_name(claim.along or '')} {values[0]} to {values[1]}"


MONOTONE = Kind(
    "monotone",
    "each step along an axis goes one way",
    needs=("along", "direction"),
    takes=("margin",),
    effects=_effects,
    weakest="the weakest step",
)
