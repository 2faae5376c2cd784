"""A recipe's departures from a published cell's protocol, what each is reported to cost, and what that adds up to.

Sizes are, in this order:

1. of the papers' own tables: two measured cells of one table of the same paper that differ in just these settings, with
   the published value of one and the recipe's of the other;
2. of `tables/pitfalls.toml`: what papers and threads report of a known mistake.

Both are differences of single runs, measured on other recipes; they need not add up. The total says so. What reference
runs of this suite show of a mistake at a small scale is told beside them, and has no part in the total.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from repro.diagnose.measured import measured_sizes, sizes_of
from repro.diagnose.recipe_keys import Recipe
from repro.judge.number import judge_number
from repro.spec.cell import Cell
from repro.spec.departures import departures
from repro.spec.keys import Flat, build, flat_of
from repro.spec.load import Suite
from repro.spec.resolve import Deviation, resolve

SCALE = "paper"
RARELY_STATED = ("pretrain.", "coco.", "seeds.", "train.precision", "evaluate.precision", "evaluate.batch_size")
"""Settings that a recipe need not state to be compared."""


@dataclass(frozen=True)
class Departure:
    """Settings of a recipe that are not the published ones, and what they do to mean IOU."""

    settings: tuple[Deviation, ...]
    points: tuple[float, float] | None
    """Lowest and highest known change in points of mean IOU; None: nobody gave a number."""
    source: str = ""
    """Where the size is from, or what is known instead."""
    cause: str = ""
    """The known mistake that it is, where it is one."""
    commands: tuple[str, ...] = ()
    """What measures it."""


@dataclass(frozen=True)
class Diagnosis:
    """What a recipe should give beside a published number."""

    departures: tuple[Departure, ...]
    unstated: tuple[str, ...]
    """Settings that the recipe does not state, those of known mistakes first; they count as published."""
    published: float
    low: float
    """Lower end of what is expected: the published number, departures of known size, and what runs differ by."""
    high: float
    margin: float
    """What two runs of one recipe stay within in 95 % of cases, points."""
    dataset: str = ""
    """The recipe's data set, where it is another one: then nothing is expected."""

    @property
    def sized(self) -> tuple[Departure, ...]:
        """Departures of known size."""
        return tuple(departure for departure in self.departures if departure.points is not None)


def diagnose(suite: Suite, cell: Cell, recipe: Recipe) -> Diagnosis:
    """Compare a recipe with the protocol of a measured cell that has a published number.

    Raises InputError where the recipe's settings contradict each other or are out of range.
    """
    assert cell.published is not None
    table = suite.find(cell.table)
    published = flat_of(resolve(suite, table, cell.settings, SCALE).protocol)
    settings = {**published, **recipe.settings}
    if settings["model.backbone"] != published["model.backbone"]:
        settings.pop("model.units")
    protocol = build(settings, recipe.places)
    own = flat_of(protocol)
    reason = "stated"
    changed = [Deviation(k, published[k], own[k], reason, "unknown") for k in published if own[k] != published[k]]
    left = {d.key: d for d in departures(protocol, changed)}
    every = [*_of_tables(suite, table.source.paper, published, own, left)]
    every += _of_pitfalls(suite, table.source.paper, published, own, left)
    every += [Departure((deviation,), None) for deviation in left.values()]
    margin = judge_number([cell.published], cell.published).margin
    sizes = [departure.points for departure in every if departure.points is not None]
    low, high = (cell.published + sum(size[end] for size in sizes) for end in (0, 1))
    known = {k for pitfall in suite.pitfalls if table.source.paper in pitfall.papers for k in pitfall.keys}
    unstated = [k for k in published if k not in recipe.settings and not k.startswith(RARELY_STATED)]
    unstated.sort(key=lambda key: key not in known)
    ordered = sorted(every, key=lambda d: (d.points is None, min(d.points or (0, 0))))
    other = own["data.name"] if own["data.name"] != published["data.name"] else ""
    return Diagnosis(tuple(ordered), tuple(unstated), cell.published, low - margin, high + margin, margin, other)


def _of_tables(suite: Suite, paper: str, published: Flat, own: Flat, left: dict[str, Deviation]) -> list[Departure]:
    """Departures whose size the paper printed; they are taken out of `left`."""
    sizes: dict[frozenset[str], list[tuple[int, float, str]]] = {}
    for table in suite.tables.values():
        printed = table.source.table or table.source.figure
        if table.source.paper != paper or not printed or table.metric != "miou":
            continue
        cells = [c for c in table.cells() if c.metric == "miou" and c.kind == "measured" and c.published is not None]
        keys = sorted({key for cell in cells for key in cell.settings})
        if not set(keys) & set(left):
            continue
        values = [(cell, _settings(suite, table.id, cell)) for cell in cells]
        for (right, a), (wrong, b) in permutations(values, 2):
            differing = frozenset(key for key in a if a[key] != b[key])
            if not differing or not differing <= set(left):
                continue
            if all(a[key] == published[key] and b[key] == own[key] for key in differing):
                elsewhere = sum(a[key] != published[key] for key in a)
                sizes.setdefault(differing, []).append((elsewhere, change_of(right, wrong), table.id))
    out = []
    for keys_of in sorted(sizes, key=lambda keys: (-len(keys), sorted(keys))):
        if keys_of <= set(left):
            # pairs whose other settings are nearest to the protocol say most
            least = min(elsewhere for elsewhere, _, _ in sizes[keys_of])
            nearest = [(change, place) for elsewhere, change, place in sizes[keys_of] if elsewhere == least]
            changes, names = [change for change, _ in nearest], ", ".join(dict.fromkeys(place for _, place in nearest))
            taken = tuple(left.pop(key) for key in sorted(keys_of))
            where = f"published: {names}{', of another network' if least else ''}"
            out.append(Departure(taken, (min(changes), max(changes)), where))
    return out


def change_of(right: Cell, wrong: Cell) -> float:
    """Points from one cell's published value to another's; both have one."""
    assert right.published is not None
    assert wrong.published is not None
    return round(wrong.published - right.published, 9)


def _settings(suite: Suite, table: str, cell: Cell) -> Mapping[str, Any]:
    return flat_of(resolve(suite, suite.find(table), cell.settings, SCALE).protocol)


def _of_pitfalls(suite: Suite, paper: str, published: Flat, own: Flat, left: dict[str, Deviation]) -> list[Departure]:
    """Departures that are known mistakes; they are taken out of `left`."""
    out = []
    sizes = measured_sizes(suite)
    for pitfall in suite.pitfalls:
        keys = pitfall.keys & set(left)
        if paper not in pitfall.papers or not keys or not pitfall.made_by(own) or pitfall.made_by(published):
            continue
        names = ", ".join(suite.references[name][0] for name in pitfall.sources)
        here = [f"measured here {size.source}" for size in sizes_of(pitfall, sizes, paper)]
        source = "; ".join(part for part in (pitfall.reported, names, *here) if part)
        taken = tuple(left.pop(key) for key in sorted(keys))
        out.append(Departure(taken, pitfall.points, source, pitfall.cause, pitfall.commands_for(paper)))
    return out


def verdict(diagnosis: Diagnosis, got: float, unsized: Sequence[str]) -> str:
    """Whether a number is what the departures of known size lead one to expect, in one or two sentences."""
    if diagnosis.dataset:
        return f"{got:.2f} on {diagnosis.dataset} cannot be held against a number of another data set."
    lies = f"{got:.2f} lies"
    if abs(got - diagnosis.published) <= diagnosis.margin:
        return f"{lies} within what two runs of the published recipe differ by: there is no gap to explain."
    if diagnosis.low <= got <= diagnosis.high:
        return (
            f"{lies} within that range: the departures of known size are enough to explain it. They need not be the "
            "cause."
        )
    if got < diagnosis.low:
        rest = f"{diagnosis.low - got:.2f} points below that range: something else costs."
        advice = "Look at the departures without a known size" if unsized else "Look at what is not stated"
        return f"{lies} {rest} {advice}, at the measurement (`repro score`) and at docs/pitfalls.md."
    return (
        f"{lies} {got - diagnosis.high:.2f} points above that range: the sizes reported for other recipes are too "
        "large for yours, or something makes the number better than the paper's."
    )
