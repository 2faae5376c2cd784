"""The paper's table beside ours, as a page and as text show it."""

from __future__ import annotations

from typing import Any

from repro.report.blocks import Block, CommandLine, DataTable, Fold, ItemList, Paragraph, Part, Section
from repro.report.changes import Change, changes_line
from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, compared, offset
from repro.report.legend import LEGEND
from repro.report.number_format import factor, fixed, signed
from repro.report.sentences import interval_line, metric_line, table_line
from repro.report.table_alone import has_gains
from repro.spec.naming import cell_label

NARROW = 8
"""Columns of one table in text at most."""


def table_section(content: ReportContent, laid: Grid, changes: tuple[Change, ...]) -> Section:
    """Return the section of the paper's table."""
    names = [name for name in LEGEND if any(c.mark == name for c in laid.cells())]
    shown = [name for name in names if name != "incomparable"]
    meanings = tuple(f"{LEGEND[name].symbol} {LEGEND[name].name}: {LEGEND[name].meaning}" for name in shown)
    notes = (
        *content.table.notes,
        *dict.fromkeys(f"{c.cell.row_label}: {c.cell.note}" for c in content.cells if c.cell.note),
    )
    about: tuple[Block, ...] = (Paragraph(interval_line(content), small=True),)
    if meanings:
        about = (ItemList(meanings), *about)
    blocks: list[Block] = [
        Part("sections/table.html.j2", lambda: _page(content, laid), _text(laid, content)),
        Fold("What the marks and numbers mean", about),
    ]
    if notes:
        blocks.append(Fold("Notes on the published numbers" if content.has_published else "Notes", (ItemList(notes),)))
    for result in content.cells:
        if result.state == "failed":
            blocks += [
                Paragraph(f"Failed: {cell_label(result.cell)}. {result.reason}"),
                CommandLine(result.command),
            ]
    if changes:
        rows = tuple((c.label, c.before, c.now, c.change) for c in changes)
        listed = DataTable("changes", ("Cell", "before", "now", "change"), rows, (1, 2, 3))
        blocks.append(Fold(f"Since the report before: {changes_line(changes)}", (listed,)))
    title = "Published and ours" if content.has_published else "Results"
    return Section("table", title, table_line(content), tuple(blocks), folded=False)


def _page(content: ReportContent, laid: Grid) -> dict[str, Any]:
    """What the page's own template prints: every cell in each of its views."""
    cells = laid.cells()
    away = offset(content)
    reach = max((abs(c.away - away) for c in cells if c.away is not None), default=0.0)
    rows = [
        {
            "index": row.index,
            "label": row.label,
            "heads": row.heads,
            "cells": [None if c is None else _cell(c, away, reach, content.absolute) for c in row.cells],
        }
        for row in laid.rows
    ]
    views = [("values", "Values")]
    if any(c.rank_ours for c in cells):
        views.append(("ranks", "Ranks"))
    if not content.absolute and any(c.away is not None for c in cells):
        views.append(("differences", "Differences"))
    if any(c.n > 1 for c in cells):
        views.append(("seeds", "Seeds"))
    shades = ""
    if not content.absolute and len(compared(content.cells)) > 1:
        shades = (
            f"On average ours are {signed(away, 1)} points from the published values. The shade shows what is left: "
            "blue where a cell lies above that, orange where below."
        )
    return {
        "grid": {"headings": laid.headings, "columns": laid.columns, "rows": rows},
        "views": views if len(views) > 1 else [],
        "absolute": content.absolute,
        "shades": shades,
        "metric_line": metric_line(content),
        "label": "The paper's table, published and ours" if content.has_published else "The table",
        "published": content.has_published,
        "legend": LEGEND,
        "marks_used": [n for n in LEGEND if n != "incomparable" and any(c.mark == n for c in cells)],
    }


def _cell(cell: GridCell, away: float, reach: float, absolute: bool) -> dict[str, Any]:
    step = (cell.rank_published or 0) - (cell.rank_ours or 0)
    times, decimals = factor(cell.result.cell), cell.result.cell.decimals
    values = sorted(cell.result.values.items()) if cell.result.state == "done" else []
    left = None if absolute or cell.away is None or cell.rank_ours is None else cell.away - away
    return {
        **{name: getattr(cell, name) for name in GridCell.__dataclass_fields__},
        "rank_step": "same rank" if step == 0 else f"{abs(step)} {'higher' if step > 0 else 'lower'}",
        "seeds": [(seed, fixed(value * times, decimals)) for seed, value in values],
        "left": signed(left, decimals),
        "shade": "" if left is None or reach == 0 else f"{abs(left) / reach:.2f}",
        "side": "" if left is None else "above" if left > 0 else "below",
    }


def _text(laid: Grid, content: ReportContent) -> tuple[Block, ...]:
    """The table as text: as many columns beside each other as a screen has room for."""
    tables = (_columns(laid, start, start + NARROW, content) for start in range(0, len(laid.columns), NARROW))
    return (Paragraph(f"{metric_line(content)}."), *tables)


def _columns(laid: Grid, start: int, end: int, content: ReportContent) -> DataTable:
    head = (*laid.headings, "", *laid.columns[start:end])
    blank = ("",) * len(laid.headings)
    body: list[tuple[str, ...]] = []
    for row in laid.rows:
        cells = row.cells[start:end]
        if content.has_published:
            body.append((*row.heads, "published", *("" if c is None else c.published for c in cells)))
        heads = blank if content.has_published else row.heads
        body.append((*heads, "ours", *("" if c is None else _ours(c) for c in cells)))
        if has_gains(laid):
            body.append((*blank, "to baseline", *("" if c is None else c.gain for c in cells)))
        if content.has_published and (
            content.absolute or any(c is not None and c.result.state == "computed" for c in cells)
        ):
            body.append((*blank, "difference", *("" if c is None else _difference(c) for c in cells)))
    return DataTable(f"table-{start}", head, tuple(body), tuple(range(len(laid.headings) + 1, len(head))))


def _ours(cell: GridCell) -> str:
    if cell.result.state in ("done", "computed"):
        best = " ★" if cell.best_ours and cell.result.cell.published is None else ""
        return f"{cell.ours}{f' ({cell.interval})' if cell.interval else ''}{best}"
    return cell.ours


def _difference(cell: GridCell) -> str:
    mark = "" if cell.mark == "incomparable" else LEGEND[cell.mark].symbol
    return f"{cell.difference} {mark}".strip() if cell.n or cell.result.state == "computed" else mark
