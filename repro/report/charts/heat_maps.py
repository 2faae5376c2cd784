"""The paper's table as colours: published, ours, and where they differ."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from repro.report.charts.canvas import WIDE, Canvas, shortened, text_width
from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, GridRow, compared, difference, mean, offset
from repro.report.number_format import factor, fixed, signed

ROW, TITLE = 23.0, 22.0
"""Heights in points."""
WIDEST, LEGIBLE = 74.0, 26.0
"""Widths of a cell in points: at most, and at least for its number to be written in it."""
Array = NDArray[np.float64]


def measured_part(grid: Grid) -> Grid:
    """Return the rows and columns of a table that hold measured cells: other metrics have other ranges."""

    def measured(cell: GridCell | None) -> bool:
        return cell is not None and cell.result.cell.kind == "measured"

    kept = [j for j in range(len(grid.columns)) if any(measured(row.cells[j]) for row in grid.rows)]
    rows = [
        GridRow(row.index, row.label, row.heads, tuple(row.cells[j] for j in kept))
        for row in grid.rows
        if any(measured(cell) for cell in row.cells)
    ]
    return Grid(grid.headings, tuple(grid.columns[j] for j in kept), tuple(rows))


def heat_maps(content: ReportContent, grid: Grid, width: float = WIDE) -> str:
    """Draw three maps in the table's shape; a stronger colour is a larger number. Each map has its own range.

    Empty where no cell is measured.
    """
    grid = measured_part(grid)
    if not grid.columns:
        return ""
    published, ours, departs = _matrices(content, grid)
    labels = [shortened(row.label, 0.22 * width, 8.5) for row in grid.rows]
    names = max(text_width(label, 8.5) for label in labels) + 14
    columns = len(grid.columns)
    # Three maps beside each other where the numbers have room, else below each other.
    beside = (width - names - 28) / 3 / columns >= 34
    cell = min(WIDEST, ((width - names - 28) / 3 if beside else width - names) / columns)
    height = TITLE + ROW * len(labels) + 16
    canvas = Canvas(width, height if beside else 3 * height + 24)
    away = offset(content)
    title = "difference" if away == 0 else f"difference {'+' if away < 0 else '−'} {fixed(abs(away), 1)}"
    for k, (values, name) in enumerate(((published, "published"), (ours, "ours"), (departs, title))):
        x = names + (k * (columns * cell + 14) if beside else 0)
        y = 0 if beside else k * (height + 12)
        canvas.text(x + 2, y + 8, name, 9, "ink", bold=True)
        if k == 0 or not beside:
            for i, label in enumerate(labels):
                canvas.text(names - 8, y + TITLE + ROW * (i + 0.5), label, 8.5, "soft", "right")
        # Narrow columns are named now and then only.
        step = max(1, math.ceil(16 / cell))
        for j, column in list(enumerate(grid.columns))[::step]:
            heading = shortened(column, step * cell + 4, 8)
            canvas.text(x + cell * (j + 0.5), y + TITLE + ROW * len(labels) + 8, heading, 8, "soft", "center")
        _map(canvas, values, x, y + TITLE, cell, diverging=values is departs)
    caption = "The paper's table as colours: published, ours, difference; a stronger colour is a larger number."
    return canvas.svg("heat", "Heat maps of published values, ours and the difference", caption)


def _matrices(content: ReportContent, grid: Grid) -> tuple[Array, Array, Array]:
    """Published, ours and difference (rows, columns), printed unit, NaN where there is none."""
    shape = (len(grid.rows), len(grid.columns))
    published, ours, departs = (np.full(shape, np.nan) for _ in range(3))
    both = {c.cell.id for c in compared(content.cells)}
    away = offset(content)
    for i, row in enumerate(grid.rows):
        for j, place in enumerate(row.cells):
            if place is None:
                continue
            cell, value = place.result.cell, mean(place.result)
            published[i, j] = np.nan if cell.published is None else cell.published
            ours[i, j] = np.nan if value is None else value * factor(cell)
            if cell.id in both:
                departs[i, j] = (difference(place.result) or 0.0) - away
    return published, ours, departs


def _map(canvas: Canvas, values: Array, left: float, top: float, cell: float, diverging: bool) -> None:
    known = values[np.isfinite(values)]
    low = float(known.min()) if known.size else 0.0
    reach = float(np.abs(known).max() if diverging else known.max() - low) if known.size else 0.0
    decimals = 2 if cell >= 40 else 1
    for i, j in np.ndindex(*values.shape):
        value = float(values[i, j])
        x, y = left + cell * (j + 0.5), top + ROW * (i + 0.5)
        if not math.isfinite(value):
            canvas.text(x, y, "–", 8, "faint", "center")
            continue
        share = (abs(value) if diverging else value - low) / reach if reach > 0 else 0.0
        strength = 0.07 + 0.78 * share
        colour = "row2" if diverging and value < 0 else "accent"
        canvas.box(left + cell * j + 1, top + ROW * i + 1, cell - 2, ROW - 2, colour, strength)
        if cell < LEGIBLE:
            continue
        text = signed(value, decimals) if diverging else fixed(value, decimals)
        canvas.text(x, y, text, 7.8, "raised" if strength > 0.55 else "ink", "center")
