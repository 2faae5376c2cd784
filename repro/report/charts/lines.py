"""Tables whose columns are numbers (a band's width): a line per row reads better than a row of marks per cell."""

from __future__ import annotations

from collections.abc import Sequence

from repro.report.charts.canvas import LEAST, WIDE, Canvas, Scale, length, padded, shortened, text_width
from repro.report.charts.intervals import extent, on_one_axis, tick_text
from repro.report.charts.theme import row_colour
from repro.report.content import CellResult, ReportContent
from repro.report.grid import mean
from repro.report.number_format import factor

FEWEST = 8
"""Columns from which on a line is drawn."""
TOP, HEIGHT = 28.0, 210.0


def is_series(content: ReportContent) -> bool:
    """Say whether the measured cells' columns are numbers, and many."""
    columns = {c.cell.column_label for c in content.cells if c.cell.kind == "measured"}
    return len(columns) >= FEWEST and all(_number(label) is not None for label in columns)


def series_plot(content: ReportContent) -> str:
    """Draw each row as a line over its columns: published, and ours with its 95 % interval as a band.

    Where levels differ (a small scale), they stand in two panels whose axes span equally many points.
    """
    cells = [c for c in content.cells if c.cell.kind == "measured"]
    ours = [v * factor(c.cell) for c in cells for v in extent(c)]
    published = [c.cell.published for c in cells if c.cell.published is not None]
    together = on_one_axis(content)
    labels = dict((c.cell.row, c.cell.row_label) for c in cells)
    legend = min(160.0, max(text_width(label, 8.5) for label in labels.values()) + 26)
    left, right = 30.0, WIDE - legend
    columns = [_number(c.cell.column_label) or 0.0 for c in cells]
    canvas = Canvas(WIDE, TOP + HEIGHT + (38 if content.table.column_heading else 24))
    if together:
        panels = [(left, right, padded([*ours, *published], TOP + HEIGHT, TOP))]
    else:
        span = max(length(ours), length(published), LEAST)
        middle = (left + right) / 2
        panels = [
            (left, middle - 8, padded(published, TOP + HEIGHT, TOP, least=span)),
            (middle + 28, right, padded(ours, TOP + HEIGHT, TOP, least=span)),
        ]
    for k, (start, end, upward) in enumerate(panels):
        title = "published, dashed; ours with 95 % interval" if together else ("published", "ours, 95 % interval")[k]
        canvas.text(start, 9, title, colour="soft")
        across = Scale(min(columns), max(columns), start + 6, end - 6)
        _axes(canvas, across, upward, start, end)
        canvas.text((start + end) / 2, TOP + HEIGHT + 27, content.table.column_heading, 8.5, "soft", "center")
        for row in labels:
            line = sorted((c for c in cells if c.cell.row == row), key=lambda c: c.cell.column)
            if together or k == 0:
                _published(canvas, line, across, upward, dashed=together)
            if together or k == 1:
                _ours(canvas, line, across, upward)
    for index, (row, label) in enumerate(labels.items()):
        y = TOP + 8 + 17 * index
        canvas.line([right + 6, right + 18], [y, y], row_colour(row), 2.4)
        canvas.text(right + 23, y, shortened(label, legend - 20, 8.5), 8.5, "soft")
    words = f"{len(labels)} lines over {len(set(columns))} columns; the table above has the same numbers."
    return canvas.svg("intervals", "Published values and ours with 95 % intervals", words)


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _axes(canvas: Canvas, across: Scale, upward: Scale, start: float, end: float) -> None:
    ticks = upward.ticks(6)
    for tick in ticks:
        canvas.line([start, end], [upward(tick)] * 2, "line", 0.8)
        canvas.text(start - 5, upward(tick), tick_text(tick, ticks), 8.5, "soft", "right")
    marks = across.ticks(6)
    for mark in marks:
        canvas.text(across(mark), TOP + HEIGHT + 11, tick_text(mark, marks), 8.5, "soft", "center")


def _published(canvas: Canvas, line: Sequence[CellResult], across: Scale, upward: Scale, dashed: bool) -> None:
    known = [(c.cell.column_label, c.cell.published) for c in line if c.cell.published is not None]
    xs = [across(_number(label) or 0.0) for label, _ in known]
    ys = [upward(value) for _, value in known]
    canvas.line(xs, ys, row_colour(line[0].cell.row), 1.4, dashes=(4, 3) if dashed else ())


def _ours(canvas: Canvas, line: Sequence[CellResult], across: Scale, upward: Scale) -> None:
    colour = row_colour(line[0].cell.row)
    points = [
        (across(_number(c.cell.column_label) or 0.0), value * factor(c.cell), c)
        for c in line
        if (value := mean(c)) is not None
    ]
    banded = [(x, c) for x, _, c in points if c.estimate is not None and c.estimate.covers != "nothing"]
    if len(banded) > 1:
        lows = [upward(c.estimate.low * factor(c.cell)) for _, c in banded if c.estimate is not None]
        highs = [upward(c.estimate.high * factor(c.cell)) for _, c in banded if c.estimate is not None]
        canvas.band([x for x, _ in banded], lows, highs, colour, 0.18)
    canvas.line([x for x, _, _ in points], [upward(value) for _, value, _ in points], colour, 1.7)
