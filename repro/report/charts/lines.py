"""Tables whose columns have an order (a band's width, a depth): a line per row reads better than marks per cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from repro.report.charts.canvas import LEAST, NARROW, WIDE, AxisScale, Canvas, length, padded, shortened, text_width
from repro.report.charts.intervals import extent, on_one_axis, tick_text
from repro.report.charts.theme import row_colour, row_marker
from repro.report.content import CellResult, ReportContent
from repro.report.grid import mean
from repro.report.number_format import factor

FEWEST = 3
"""Columns from which on a line is drawn."""
MARKED = 8
"""Columns up to which each value has a mark and an interval of its own; with more, intervals are bands."""
MOST_LINES = 10
TOP, HEIGHT = 28.0, 210.0
ColumnPositions = dict[str, float]
"""Column -> where it stands on the axis."""


def columns_of(content: ReportContent) -> ColumnPositions:
    """Return where columns stand, by their label: numbers by size, numbered names evenly; empty where unordered."""
    cells = sorted((c for c in content.cells if c.cell.kind == "measured"), key=lambda c: c.cell.column)
    labels = list(dict.fromkeys(c.cell.column_label for c in cells))
    split = [re.fullmatch(r"(.*?)(\d+(?:\.\d+)?)", label) for label in labels]
    if len(labels) < FEWEST or any(match is None for match in split):
        return {}
    names, numbers = [m[1] for m in split if m], [float(m[2]) for m in split if m]
    if len(set(names)) > 1 or any(a >= b for a, b in pairwise(numbers)):
        return {}
    if names[0] or len(labels) <= MARKED:
        return {label: float(k) for k, label in enumerate(labels)}
    return dict(zip(labels, numbers, strict=True))


def is_series(content: ReportContent) -> bool:
    """Say whether lines are drawn: columns have an order, and rows are few enough to be told apart."""
    rows = {c.cell.row for c in content.cells if c.cell.kind == "measured"}
    return bool(columns_of(content)) and len(rows) <= MOST_LINES


def series_plot(content: ReportContent, width: float = WIDE) -> str:
    """Draw each row as a line over its columns: published, and ours with its 95 % interval.

    Where few cells are compared, or levels differ (a small scale), they stand in two panels whose axes span equally
    many points.
    """
    cells = [c for c in content.cells if c.cell.kind == "measured"]
    columns = columns_of(content)
    ours = [v * factor(c.cell) for c in cells for v in extent(c)]
    published = [c.cell.published for c in cells if c.cell.published is not None]
    marked = len(columns) <= MARKED
    together = not published or (on_one_axis(content) and not marked)
    labels = dict((c.cell.row, c.cell.row_label) for c in cells)
    below = width <= NARROW
    legend = 4.0 if below else min(160.0, max(text_width(label, 8.5) for label in labels.values()) + 30)
    left, right = 30.0, width - legend
    axis_title = content.table.column_heading or (content.table.headings[0] if len(labels) == 1 else "")
    foot = TOP + HEIGHT + (38 if axis_title else 24)
    canvas = Canvas(width, foot + (17 * len(labels) if below else 0))
    if together:
        panels = [(left, right, padded([*ours, *published], TOP + HEIGHT, TOP))]
    else:
        span = max(length(ours), length(published), LEAST)
        middle = (left + right) / 2
        if on_one_axis(content):
            scales = [padded([*ours, *published], TOP + HEIGHT, TOP)] * 2
        else:
            scales = [padded(values, TOP + HEIGHT, TOP, least=span) for values in (published, ours)]
        panels = [(left, middle - 6, scales[0]), (middle + 28, right, scales[1])]
    metric = content.table.metrics.get(cells[0].cell.metric, "")
    for k, (start, end, upward) in enumerate(panels):
        if together:
            title = "published, dashed; ours with 95 % interval" if published else "ours with 95 % interval"
        else:
            title = ("published", "ours" if below else "ours, 95 % interval")[k]
        canvas.text(start, 9, f"{title} · {metric}" if k == 0 and not below else title, colour="soft")
        places = columns.values()
        across = AxisScale(min(places), max(places), start + 14, end - 14)
        _axes(canvas, across, upward, start, end, columns)
        canvas.text(
            (start + end) / 2, TOP + HEIGHT + 27, shortened(axis_title, end - start, 8.5), 8.5, "soft", "center"
        )
        for index, row in enumerate(labels):
            line = sorted((c for c in cells if c.cell.row == row), key=lambda c: c.cell.column)
            if together or k == 0:
                _published(canvas, line, across, upward, columns, dashed=together, marked=marked)
            if together or k == 1:
                _ours(canvas, line, across, upward, columns, marked, 3.0 * (index - (len(labels) - 1) / 2))
    for index, (row, label) in enumerate(labels.items()):
        x, y = (left - 6, foot + 6) if below else (right + 6, TOP + 8)
        y += 17 * index
        canvas.line([x, x + 14], [y, y], row_colour(row), 1.8)
        if marked:
            canvas.marks([x + 7], [y], row_colour(row), row_marker(row), 6)
        canvas.text(x + 19, y, shortened(label, width - 40 if below else legend - 26, 8.5), 8.5, "soft")
    caption = f"{len(labels)} lines over {len(columns)} columns; the table has the same numbers."
    return canvas.svg("lines", "Published values and ours with 95 % intervals", caption)


def _axes(
    canvas: Canvas, across: AxisScale, upward: AxisScale, start: float, end: float, columns: ColumnPositions
) -> None:
    ticks = upward.ticks(6)
    for tick in ticks:
        canvas.line([start, end], [upward(tick)] * 2, "line", 0.8)
        canvas.text(start - 5, upward(tick), tick_text(tick, ticks), 8.5, "soft", "right")
    if len(columns) <= MARKED:
        room = (across.end - across.start) / max(len(columns) - 1, 1)
        step = 1 + int(max(text_width(label, 8.5) for label in columns) + 4) // max(int(room), 1)
        for label, place in list(columns.items())[:: max(step, 1)]:
            canvas.text(across(place), TOP + HEIGHT + 11, label, 8.5, "soft", "center")
        return
    marks = across.ticks(6)
    for mark in marks:
        canvas.text(across(mark), TOP + HEIGHT + 11, tick_text(mark, marks), 8.5, "soft", "center")


def _published(
    canvas: Canvas,
    line: Sequence[CellResult],
    across: AxisScale,
    upward: AxisScale,
    columns: ColumnPositions,
    dashed: bool,
    marked: bool,
) -> None:
    known = [(columns[c.cell.column_label], c.cell.published) for c in line if c.cell.published is not None]
    xs, ys = [across(place) for place, _ in known], [upward(value) for _, value in known]
    row = line[0].cell.row
    canvas.line(xs, ys, row_colour(row), 1.5, dashes=(4, 3) if dashed else ())
    if marked:
        canvas.marks(xs, ys, row_colour(row), row_marker(row), 6, edge="raised")


def _ours(
    canvas: Canvas,
    line: Sequence[CellResult],
    across: AxisScale,
    upward: AxisScale,
    columns: ColumnPositions,
    marked: bool,
    offset: float,
) -> None:
    """`offset`: how far (points) marks stand beside their column, so that intervals do not hide each other."""
    row = line[0].cell.row
    colour, offset = row_colour(row), offset if marked else 0.0
    points = [
        (across(columns[c.cell.column_label]) + offset, upward(value * factor(c.cell)), c)
        for c in line
        if (value := mean(c)) is not None
    ]
    ends = [
        (x, upward(c.estimate.low * factor(c.cell)), upward(c.estimate.high * factor(c.cell)))
        for x, _, c in points
        if c.estimate is not None and c.estimate.covers != "nothing"
    ]
    if marked:
        for x, low, high in ends:
            canvas.line([x, x], [low, high], colour, 1.8, 0.35, round_ends=True)
    elif len(ends) > 1:
        canvas.band([x for x, _, _ in ends], [low for _, low, _ in ends], [high for _, _, high in ends], colour, 0.18)
    canvas.line([x for x, _, _ in points], [y for _, y, _ in points], colour, 1.7)
    if marked:
        canvas.marks([x for x, _, _ in points], [y for _, y, _ in points], colour, row_marker(row), 6, edge="raised")
