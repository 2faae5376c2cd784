"""`repro judge`: a number of one's own beside a published one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repro.commands.output import print_json, print_table
from repro.diagnose.measured import measured_sizes, sizes_of
from repro.errors import InputError, did_you_mean
from repro.judge.number import NumberVerdict, judge_number, sentence
from repro.judge.published import published_images
from repro.spec.cell import Cell
from repro.spec.keys import flat_of
from repro.spec.load import Suite, load_suite
from repro.spec.resolve import resolve

SHOWN = 8
"""So many causes are listed, nearest in size first."""
CLOSE = 2.0
"""Points: a cause whose size is farther from the gap than this does not explain it by itself."""


@dataclass(frozen=True)
class Cause:
    """A known mistake whose size was reported."""

    label: str
    points: tuple[float, float]
    """Lowest and highest reported change of mean IOU."""
    note: str
    test: tuple[str, ...]
    """Commands that measure it."""

    def distance(self, difference: float) -> float:
        """Points between a gap and the reported sizes; 0 inside."""
        return max(self.points[0] - difference, difference - self.points[1], 0.0)


def main(value: float | None, runs: str | None, cell_id: str, seeds_sd: float | None, as_json: bool) -> None:
    """Print the verdict, then what to look at first."""
    numbers = _numbers(value, runs)
    suite = load_suite()
    cell = find_cell(suite, cell_id)
    verdict = judge(numbers, cell, seeds_sd)
    causes = causes_of(suite, cell, verdict.difference) if verdict.different else []
    if as_json:
        print_json(
            [vars(cause) | {"kind": "cause"} for cause in causes],
            cell=cell.id, sentence=sentence(verdict), different=verdict.different, difference=verdict.difference,
            low=verdict.low, high=verdict.high, probability=verdict.probability, published=verdict.published,
            value=verdict.value, runs=verdict.runs, deviation=verdict.deviation, deviation_from=verdict.source,
        )  # fmt: skip
        return
    print(f"{cell.id}: {place(suite, cell)}")
    print(sentence(verdict))
    print(f"Spread between runs: {verdict.deviation:.2f} points, {verdict.source}.")
    if verdict.different:
        _print_causes(causes, verdict)


def _numbers(value: float | None, runs: str | None) -> list[float]:
    if (value is None) == (runs is None):
        raise InputError("VALUE: give one number, or several with --runs 74.9,75.2,74.6.")
    parts = [str(value)] if runs is None else [part for part in runs.split(",") if part.strip()]
    out = []
    for part in parts:
        try:
            number = float(part)
        except ValueError:
            raise InputError(f"--runs: {part!r} is not a number. Write 74.9,75.2,74.6.") from None
        if not 0 <= number <= 100 or math.isnan(number):
            raise InputError(
                f"{'VALUE' if runs is None else '--runs'}: {part} is not a mean IOU. Give per cent, 0 to 100."
            )
        out.append(number)
    if not out:
        raise InputError("--runs: no number. Write 74.9,75.2,74.6.")
    if max(out) <= 1:
        raise InputError(f"{'VALUE' if runs is None else '--runs'}: {max(out)} looks like a share. Give per cent.")
    return out


def find_cell(suite: Suite, name: str) -> Cell:
    """Return a measured cell with a published number, by its id, in which an alias may stand for the table.

    Raises InputError with suggestions.
    """
    begin = next((alias for alias in suite.aliases if name == alias or name.startswith(f"{alias}/")), None)
    name = name if begin is None else name.replace(begin, suite.aliases[begin], 1)
    table = next((t for t in sorted(suite.tables, key=len, reverse=True) if f"{name}/".startswith(f"{t}/")), None)
    if table is None:
        hint = did_you_mean(name, suite.tables)
        raise InputError(f"--cell {name}: no table's cell.{hint} See `repro show TABLE --json` for the ids of a table.")
    cells = suite.find(table).cells()
    cell = next((c for c in cells if c.id == name), None)
    if cell is None:
        hint = did_you_mean(name, [c.id for c in cells]) or f" Its first is {cells[0].id}."
        which = "that is a table; name one of its cells." if name == table else f"{table} has no such cell."
        raise InputError(f"--cell {name}: {which}{hint} See `repro show {table} --json` for all ids.")
    if cell.metric != "miou" or cell.published is None:
        why = "its number is not printed" if cell.published is None else f"its metric is {cell.metric}"
        raise InputError(f"--cell {name}: cannot be compared with a mean IOU, {why}. Choose another cell.")
    return cell


def judge(numbers: list[float], cell: Cell, seeds_sd: float | None = None, image_error: float = 0.0) -> NumberVerdict:
    """Compare runs with a cell's published value. Raises InputError for a deviation that is not positive."""
    assert cell.published is not None  # `find_cell` refuses such cells
    try:
        return judge_number(numbers, cell.published, seeds_sd, image_error=image_error)
    except ValueError as error:
        raise InputError(f"--seeds-sd: {error}. Give a positive number of points.") from None


def judged_sentence(suite: Suite, name: str, value: float, images: int, image_error: float) -> str:
    """Return the sentence about one run, in per cent, on so many images, beside a cell's published value.

    `image_error`: standard error over images, in points; it counts where these are not as many as the published ones.
    """
    cell = find_cell(suite, name)
    of_paper = published_images(suite, suite.find(cell.table))
    if images == of_paper:
        return sentence(judge([value], cell))
    judged = sentence(judge([value], cell, image_error=image_error))
    return f"{judged} The published number is of {of_paper:,} images, this one of {images:,}."


def place(suite: Suite, cell: Cell) -> str:
    """Return where a cell stands in its paper."""
    labels = ", ".join(label for label in (cell.row_label, cell.column_label) if label and label != "mIOU")
    source = suite.find(cell.table).source
    where = f"Table {source.table}" if source.table else f"Fig. {source.figure}"
    return f"{source.paper} {where}, {labels}: {cell.published:.{cell.decimals}f} published"


def causes_of(suite: Suite, cell: Cell, difference: float) -> list[Cause]:
    """Return known mistakes of the cell's paper whose reported size has the gap's sign, nearest in size first."""
    table = suite.find(cell.table)
    published = flat_of(resolve(suite, table, cell.settings, "paper").protocol)
    causes, sizes = [], measured_sizes(suite)
    for pitfall in suite.pitfalls:
        if pitfall.points is None or table.source.paper not in pitfall.papers or pitfall.made_by(published):
            continue
        names = ", ".join(suite.references[name][0] for name in pitfall.sources)
        here = [f"measured here {size.source}" for size in sizes_of(pitfall, sizes, table.source.paper)]
        note = "; ".join(part for part in (pitfall.reported, names, *here) if part)
        causes.append(Cause(pitfall.cause, pitfall.points, note, pitfall.commands_for(table.source.paper)))
    alike = [cause for cause in causes if max(cause.points, key=abs) * difference > 0]
    return sorted(alike, key=lambda c: (c.distance(difference), c.points[1] - c.points[0]))[:SHOWN]


def _print_causes(causes: list[Cause], verdict: NumberVerdict) -> None:
    print()
    if not causes:
        print(
            "No known mistake with a published size goes in this direction. docs/pitfalls.md lists those without one."
        )
        return
    nearest = causes[0].distance(verdict.difference)
    if nearest > CLOSE:
        print(f"No single known mistake is of this size; several together may be. Nearest, {nearest:.1f} points away:")
    else:
        print("What to look at first, nearest in size first:")
    print()
    print_table(
        ("mistake", "points", "reported", "test it with"),
        [(c.label, size_of(c.points), c.note, next(iter(c.test), "no row; --set")) for c in causes],
    )
    print()
    print("Sizes are of single runs, mostly of other recipes. Causes without a known size: docs/pitfalls.md.")
    print("`repro diagnose RECIPE` lists what your own recipe does otherwise.")


def size_of(points: tuple[float, float]) -> str:
    """Return a reported change in points: "-1.45", or "-18.00 to -12.80"."""
    return f"{points[0]:+.2f}" if points[0] == points[1] else f"{points[0]:+.2f} to {points[1]:+.2f}"
