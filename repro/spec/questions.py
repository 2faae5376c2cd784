"""A claim as questions to numbers: which differences of cells must lie in which range.

Every kind of claim comes down to the same form. A *contrast* is a difference between two cells (left - right), or a
difference of two such gains. Contrasts become *effects*, each with the range that the claim gives it, and a claim holds
if all of its effects lie in their ranges:

| kind | contrasts | range, in points |
| --- | --- | --- |
| greater | left - right | above margin |
| gain, equal | left - right | low to high; -tolerance to tolerance |
| ratio | log(left / right) | log low to log high |
| monotone | each step along the key, in the claimed direction, on each line | above margin |
| best | left - each other cell | above margin |
| largest-gain-at | gain there - gain at each other place, on each curve | above 0 |

With `over = "every"` each contrast is an effect by itself. With `over = "mean"` those that ask the same thing at
another place of the table, at another block or backbone, are averaged into one: all pairs, or each step over its lines,
or each place over its curves. A claim that makes one comparison has nothing to be "over".

Where lower is better, the two sides of "best" and of gains change places.

"largest-gain-at" may name several places; then the effects of one of these alternatives must all lie in range.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from repro.errors import InputError
from repro.spec.cell import Basis
from repro.spec.claim import Claim
from repro.spec.metric import METRICS, find_metric
from repro.spec.naming import key_name, printed
from repro.spec.scales import fits
from repro.spec.select import alike, key_names, pairs, select, value_of
from repro.spec.table import Cell


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


def mean_contrast(effect: Effect) -> Contrast:
    """Return the mean of an effect's contrasts as one weighted sum of cells."""
    weights: dict[str, float] = {}
    for contrast in effect.contrasts:
        for cell, weight in contrast.weights:
            weights[cell] = weights.get(cell, 0.0) + weight / len(effect.contrasts)
    return Contrast(effect.label, tuple(weights.items()))


@dataclass(frozen=True)
class Question:
    """What a claim asks of numbers."""

    claim: Claim
    cells: tuple[Cell, ...]
    """All cells that its contrasts use, in the table's order."""
    alternatives: tuple[tuple[Effect, ...], ...]
    """The claim holds if all effects of one alternative lie in their ranges. Nearly always there is one alternative."""
    logarithmic: bool
    """Contrasts are of logarithms of cells: their exponential is a ratio."""
    strict: bool
    """An end of a range does not belong to it: two equal numbers are not one "better"."""
    unit: str
    """Of effects in print: "points" for shares, "x" for a ratio, else the metric's printed unit."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects of all alternatives."""
        return tuple(effect for alternative in self.alternatives for effect in alternative)


def basis(claim: Claim, cells: Iterable[Cell]) -> Basis:
    """Return what decides a claim. `cells` and what it raises as in `question`."""
    if claim.kind == "text" or claim.why:
        return "printed"
    kinds = {cell.kind for cell in question(claim, cells).cells}
    return "printed" if "quoted" in kinds else "measured" if "measured" in kinds else "computed"


def question(claim: Claim, cells: Iterable[Cell]) -> Question:
    """Return what a claim asks.

    `cells` are those the claim may speak of: its metric, its tables (`Suite.cells_of`). Raises InputError if a selector
    picks nothing, no two cells pair, `over` is missing or means nothing, or the claim is a text; KeyError if a cell
    lacks `along`.
    """
    if claim.kind == "text":
        raise InputError(f"claim {claim.id}: a text asks nothing of numbers: {claim.why}")
    pool = select(cells, claim.where)
    names = labels(pool)
    low, high = _range(claim)
    alternatives: tuple[tuple[Effect, ...], ...]
    if claim.kind == "monotone":
        alternatives = (_steps(claim, pool, names),)
    elif claim.kind == "best":
        alternatives = (_best(claim, pool, names),)
    elif claim.kind == "largest-gain-at":
        alternatives = _largest(claim, pool, names)
    else:
        matching = pairs(pool, claim.left, claim.right)
        contrasts = tuple(_difference(a, b, names, " / " if claim.kind == "ratio" else " − ") for a, b in matching)
        alternatives = ((Effect(_common(contrasts), contrasts, low, high),),)
    _check_over(claim, alternatives)
    if claim.over != "mean":
        alternatives = tuple(tuple(single for effect in a for single in _single(effect)) for a in alternatives)
    used = {cell for a in alternatives for e in a for c in e.contrasts for cell, _ in c.weights}
    unit = "x" if claim.kind == "ratio" else find_metric(claim.metric).difference_unit
    return Question(
        claim, tuple(c for c in pool if c.id in used), alternatives,
        logarithmic=claim.kind == "ratio", strict=claim.kind not in ("gain", "ratio", "equal"), unit=unit,
    )  # fmt: skip


def _check_over(claim: Claim, alternatives: Sequence[Sequence[Effect]]) -> None:
    """Raise InputError where a claim of several comparisons lacks `over`, or where what it says means nothing."""
    effects = [effect for a in alternatives for effect in a]
    contrasts = [contrast for effect in effects for contrast in effect.contrasts]
    averages = any(len(effect.contrasts) > 1 for effect in effects)
    if claim.over is None and len(contrasts) > 1:
        labels = "; ".join(c.label for c in contrasts[:2]) + ("; ..." if len(contrasts) > 2 else "")
        mean = ', or over = "mean" if their mean must' if averages else ""
        raise InputError(
            f"claim {claim.id}: it makes {len(contrasts)} comparisons ({labels}) and lacks `over`. "
            f'Write over = "every" if each of them must bear it out{mean}.'
        )
    if claim.over is not None and len(contrasts) == 1:
        raise InputError(f"claim {claim.id}: over: it makes one comparison, {contrasts[0].label}. Remove `over`.")
    if claim.over == "mean" and not averages:
        raise InputError(
            f"claim {claim.id}: over: its {len(effects)} comparisons ask different things: "
            '"mean" would average nothing. Write over = "every".'
        )


def _single(effect: Effect) -> tuple[Effect, ...]:
    """Return an effect's contrasts as effects of their own."""
    if len(effect.contrasts) == 1:
        return (effect,)
    return tuple(Effect(c.label, (c,), effect.low, effect.high) for c in effect.contrasts)


def _range(claim: Claim) -> tuple[float, float]:
    if claim.kind == "equal":
        tolerance = claim.tolerance if claim.tolerance is not None else 0.0
        return -tolerance, tolerance
    if claim.kind in ("gain", "ratio"):
        low = -math.inf if claim.low is None else claim.low
        high = math.inf if claim.high is None else claim.high
        if claim.kind == "gain":
            return low, high
        return (math.log(low) if low > 0 else -math.inf), (math.log(high) if high > 0 else -math.inf)
    return claim.margin, math.inf


def labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Return cell id -> the shortest label that tells these cells apart: of table, row and column only what varies."""
    parts = [(c.table, printed(c, c.row_label), printed(c, c.column_label)) for c in cells]
    varies = [len({p[k] for p in parts}) > 1 for k in range(3)]
    titles = {m.title for m in METRICS.values()} | {find_metric(c.metric).title for c in cells}
    out = {}
    for cell, part in zip(cells, parts, strict=True):
        texts = [text for text, keep in zip(part, varies, strict=True) if keep and text not in titles]
        out[cell.id] = ", ".join(texts) or cell.row_label
    return out


def _difference(left: Cell, right: Cell, names: Mapping[str, str], sign: str = " − ") -> Contrast:
    return Contrast(f"{names[left.id]}{sign}{names[right.id]}", ((left.id, 1.0), (right.id, -1.0)))


def _common(contrasts: Sequence[Contrast]) -> str:
    return contrasts[0].label if len(contrasts) == 1 else f"mean of {len(contrasts)} pairs"


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


def _steps(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> tuple[Effect, ...]:
    steps: dict[tuple[Any, Any], list[tuple[Cell, Cell]]] = {}
    for line in _series(claim, pool):
        for (before, a), (after, b) in pairwise(line):
            steps.setdefault((before, after), []).append((b, a) if claim.direction == "increasing" else (a, b))
    return tuple(
        Effect(_step_label(claim, values, pairs), tuple(_difference(*p, names) for p in pairs), claim.margin, math.inf)
        for values, pairs in steps.items()
    )


def _step_label(claim: Claim, values: tuple[Any, Any], pairs: Sequence[tuple[Cell, Cell]]) -> str:
    """Return what two cells of every pair differ in, in the paper's words: "block6 − block5"."""
    for place in ("column_label", "row_label"):
        sides = {tuple(printed(cell, getattr(cell, place)) for cell in pair) for pair in pairs}
        if len(sides) == 1 and len(set(both := next(iter(sides)))) == 2:
            return " − ".join(both)
    return f"{key_name(claim.along or '')} {values[0]} to {values[1]}"


def _in_order(claim: Claim) -> Callable[[Cell, Cell], tuple[Cell, Cell]]:
    """Return how two cells stand in a difference that is positive where the first of them is better."""
    higher = find_metric(claim.metric).better == "higher"
    return lambda first, second: (first, second) if higher else (second, first)


def _best(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> tuple[Effect, ...]:
    lefts = select(pool, claim.left)
    others = [cell for cell in select(pool, claim.among or {}) if cell not in lefts]
    if not others:
        raise InputError(f"claim {claim.id}: `among` picks no cell but `left` itself. Widen it.")
    better = _in_order(claim)
    contrasts = [_difference(*better(left, other), names) for left in lefts for other in others]
    return tuple(Effect(c.label, (c,), claim.margin, math.inf) for c in contrasts)


def _largest(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> tuple[tuple[Effect, ...], ...]:
    along = claim.along or ""
    gains: dict[Any, list[tuple[Cell, Cell]]] = {}
    better = _in_order(claim)
    for left, right in pairs(pool, claim.left, claim.right):
        gains.setdefault(value_of(left, along), []).append(better(left, right))
    there = [value for value in gains if fits(value, claim.at)]
    elsewhere = [value for value in gains if value not in there]
    if not there or not elsewhere:
        raise InputError(
            f'claim {claim.id}: at: "{along}" has the values {", ".join(map(str, gains))}. Name some of them.'
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
