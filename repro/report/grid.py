"""The paper's table in the paper's shape: what stands in each cell, as text. All formats print this."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from repro.report.content import CellResult, ReportContent
from repro.report.legend import Mark, mark_of
from repro.report.number_format import NONE, factor, fixed, ranks, signed, span
from repro.spec.metric import find_metric


@dataclass(frozen=True)
class GridCell:
    """The texts of one cell."""

    result: CellResult
    mark: Mark
    published: str
    ours: str
    interval: str
    """Ends of the 95 % interval, such as "65.40 to 71.80"; empty where there is none. It need not be symmetric."""
    difference: str
    away: float | None
    """Ours minus published, in the printed unit."""
    n: int
    """Seeds measured."""
    rank_published: int | None
    """Among the table's measured cells of the same metric that have both numbers, 1 the best."""
    rank_ours: int | None
    best_published: bool = False
    """Whether it is the best of its column, or of its row where there is only one; equal as printed, equally so."""
    best_ours: bool = False
    gain: str = ""
    """Ours less the baseline cell's with its 95 % interval, "+1.30 (0.20 to 2.40)"; "baseline" for that cell itself."""


@dataclass(frozen=True)
class GridRow:
    """A row of the table."""

    index: int
    """The row in the paper's table: decides its colour."""
    label: str
    heads: tuple[str, ...]
    """What stands under the headings."""
    cells: tuple[GridCell | None, ...]


@dataclass(frozen=True)
class Grid:
    """A table in the paper's shape."""

    headings: tuple[str, ...]
    """Of the columns that describe a row."""
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]

    def cells(self) -> list[GridCell]:
        """Return the cells in the paper's order: row by row."""
        return [cell for row in self.rows for cell in row.cells if cell is not None]


def mean(result: CellResult) -> float | None:
    """Return a cell's own number in its internal unit; None where nothing was measured, or what was is no number."""
    if result.estimate is None or result.state not in ("done", "computed"):
        return None
    return result.estimate.value if math.isfinite(result.estimate.value) else None


def printed_value(result: CellResult) -> float | None:
    """Return a cell's own number in the printed unit; None where `mean` has none."""
    value = mean(result)
    return None if value is None else value * factor(result.cell)


def difference(result: CellResult) -> float | None:
    """Return ours minus published, in the printed unit."""
    value = printed_value(result)
    return None if value is None or result.cell.published is None else value - result.cell.published


def compared(cells: Sequence[CellResult]) -> list[CellResult]:
    """Return the measured cells that have both numbers: those that ranks and pictures of agreement are about."""
    return [c for c in cells if c.cell.kind == "measured" and c.state == "done" and difference(c) is not None]


def offset(content: ReportContent) -> float:
    """Return the mean difference from the published values where these are not judged: it belongs to the scale."""
    both = compared(content.cells)
    if content.absolute or not both:
        return 0.0
    return sum(difference(c) or 0.0 for c in both) / len(both)


def rank_pairs(cells: Sequence[CellResult]) -> dict[str, tuple[int, int]]:
    """Return cell id -> (published rank, our rank) among the measured cells of each metric, 1 the best."""
    pairs: dict[str, tuple[int, int]] = {}
    both = compared(cells)
    for metric in dict.fromkeys(c.cell.metric for c in both):
        group = [c for c in both if c.cell.metric == metric]
        # Printed decimals decide ties of the published numbers; ours have none to speak of.
        better = find_metric(metric).better
        published = ranks([c.cell.published or 0.0 for c in group], better)
        ours = ranks([mean(c) or 0.0 for c in group], better)
        pairs |= {c.cell.id: pair for c, pair in zip(group, zip(published, ours, strict=True), strict=True)}
    return pairs


def grid(content: ReportContent) -> Grid:
    """Lay a report's cells out as the paper does."""
    places: dict[tuple[int, int, str], CellResult] = {
        (c.cell.row, c.cell.column, c.cell.metric): c for c in content.cells
    }
    columns: dict[tuple[int, str], str] = {}
    rows: dict[int, str] = {}
    for result in sorted(content.cells, key=lambda c: (c.cell.row, c.cell.column)):
        rows.setdefault(result.cell.row, result.cell.row_label)
        columns.setdefault((result.cell.column, result.cell.metric), result.cell.column_label)
    ordered = sorted(columns, key=lambda place: place[0])
    pairs = rank_pairs(content.cells)
    body = []
    for row, label in sorted(rows.items()):
        results = [places.get((row, *place)) for place in ordered]
        cells = tuple(None if c is None else _grid_cell(c, content.scale, pairs) for c in results)
        body.append(GridRow(row, label, content.table.heads.get(row, (label,)), cells))
    return _with_best(Grid(content.table.headings, tuple(columns[place] for place in ordered), tuple(body)))


def _with_best(laid: Grid) -> Grid:
    """Mark the best measured number of each column; of the row where the table has only one."""
    by_column = len(laid.rows) > 1
    lines = [[row.cells[k] for row in laid.rows] for k in range(len(laid.columns))]
    if not by_column:
        lines = [list(row.cells) for row in laid.rows]
    marked = {}
    for line in lines:
        measured = [c for c in line if c is not None and c.result.cell.kind != "computed"]
        published = _best([(c, c.result.cell.published) for c in measured])
        ours = _best([(c, printed_value(c.result)) for c in measured])
        for cell in measured:
            key = id(cell)
            marked[key] = replace(cell, best_published=key in published, best_ours=key in ours)
    rows = (replace(row, cells=tuple(marked.get(id(c), c) for c in row.cells)) for row in laid.rows)
    return replace(laid, rows=tuple(rows))


def _best(results: Sequence[tuple[GridCell, float | None]]) -> set[int]:
    """Return the identities of the best of two numbers or more of one metric, all those equal to it as printed."""
    known = [(cell, round(value, cell.result.cell.decimals)) for cell, value in results if value is not None]
    if len(known) < 2 or len({cell.result.cell.metric for cell, _ in known}) > 1:
        return set()
    better = max if find_metric(known[0][0].result.cell.metric).better == "higher" else min
    best = better(value for _, value in known)
    return {id(cell) for cell, value in known if value == best}


def _grid_cell(result: CellResult, scale: str, pairs: dict[str, tuple[int, int]]) -> GridCell:
    cell, estimate = result.cell, result.estimate
    times = factor(cell)
    value = mean(result)
    interval = ""
    if value is not None and estimate is not None and estimate.covers not in ("nothing", "exact"):
        interval = span(estimate.low * times, estimate.high * times, cell.decimals)
    ours = {"failed": "failed", "missing": "not run", "quoted": "quoted"}.get(result.state, "")
    published_rank, our_rank = pairs.get(cell.id, (None, None))
    return GridCell(
        result=result,
        mark=mark_of(result, scale),
        published=NONE if cell.published is None else fixed(cell.published, cell.decimals),
        ours=ours or fixed(None if value is None else value * times, cell.decimals),
        interval=interval,
        difference=signed(difference(result), cell.decimals),
        away=difference(result),
        n=len(result.values) if result.state == "done" else 0,
        rank_published=published_rank,
        rank_ours=our_rank,
        gain=_gain(result),
    )


def _gain(result: CellResult) -> str:
    if result.baseline == result.cell.id:
        return "baseline"
    if result.gain is None:
        return ""
    gain, times, decimals = result.gain, factor(result.cell), result.cell.decimals
    known = gain.covers not in ("nothing", "exact")
    interval = f" ({span(gain.low * times, gain.high * times, decimals)})" if known else ""
    return f"{signed(gain.value * times, decimals)}{interval}"
