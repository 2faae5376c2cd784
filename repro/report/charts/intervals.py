"""Charts of a table's cells: every cell with its interval, and published against ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from repro.report.charts.canvas import (
    LEAST,
    NARROW,
    WIDE,
    AxisScale,
    Canvas,
    drawable,
    length,
    padded,
    shortened,
    text_width,
)
from repro.report.charts.theme import row_colour, row_marker
from repro.report.content import CellResult, ReportContent
from repro.report.grid import compared, mean, rank_pairs
from repro.report.number_format import factor, fixed

STEP, GAP = 16.0, 10.0
"""Points between cells, and added between rows of the table."""


def interval_plot(content: ReportContent, width: float = WIDE) -> str:
    """Draw every measured cell: ours as point and 95 % interval, seeds as dots, published as a diamond.

    Where ours and the published values lie on different levels (a small scale) they stand on two axes of the same
    length in points, so that a gain is as long on one as on the other. Empty where no cell is measured.
    """
    cells = sorted((c for c in content.cells if c.cell.kind == "measured"), key=lambda c: (c.cell.row, c.cell.column))
    if not cells:
        return ""
    narrow = width <= NARROW
    ours = [v * factor(c.cell) for c in cells for v in extent(c)]
    published = [c.cell.published for c in cells if c.cell.published is not None]
    together = on_one_axis(content)
    places = _places([c.cell.row for c in cells], 34.0, narrow)
    bottom = places[-1] + STEP
    canvas = Canvas(width, bottom + 40)
    # Where a table has one column, its name in every row would say nothing.
    columns = {c.cell.column_label for c in cells} if len({c.cell.column for c in cells}) > 1 else {""}
    widest = 150.0 if len(columns) > 1 else 250.0
    names = 0.0 if narrow else min(widest, max(text_width(c.cell.row_label, 9) for c in cells) + 14)
    column_room = min(0.35 * width, max(text_width(label, 8.5) for label in columns))
    left = names + column_room + 12
    if together or not published:
        right = published_scale = padded([*ours, *published], left, width - 8)
    else:
        middle = (left + width) / 2
        span = max(length(ours), length(published), LEAST)
        published_scale = padded(published, left, middle - 14, least=span)
        right = padded(ours, middle + 14, width - 8, least=span)
    for scale in dict.fromkeys((published_scale, right)):
        axis(canvas, scale, 24, bottom, 4 if narrow else 9 if together else 5)
    if published:
        canvas.text(published_scale.start, 9, "◇ published", colour="soft")
    caption = "● ours, 95 % interval   · seeds"
    if narrow or (not together and text_width(caption, 9) > width - right.start):
        caption = "● ours   · seeds"
    ours_at = right.start + (70 if together and published else 0)
    canvas.text(min(ours_at, width - 8 - text_width(caption, 9)), 9, caption, colour="soft")
    metric = content.table.metrics.get(cells[0].cell.metric, "")
    canvas.text((left + width) / 2, bottom + 28, metric, 8.5, "soft", "center")
    for result, y in zip(cells, places, strict=True):
        if result.cell.column_label in columns:
            canvas.text(left - 8, y, shortened(result.cell.column_label, column_room, 8.5), 8.5, "soft", "right")
        if result.cell.published is not None:
            canvas.marks([published_scale(result.cell.published)], [y], "ink", "D", 5.2, hollow=True)
        _cell(canvas, result, right, y)
    for row, label in dict((c.cell.row, c.cell.row_label) for c in cells).items():
        here = [y for c, y in zip(cells, places, strict=True) if c.cell.row == row]
        x, y = (0.0, here[0] - 14) if narrow else (0.0, sum(here) / len(here))
        canvas.text(x, y, shortened(label, width if narrow else names - 6, 9), 9, row_colour(row), bold=True)
    caption = f"{len(cells)} measured cells in the paper's order; the table has the same numbers."
    return canvas.svg("intervals", "Published values and ours with 95 % intervals", caption)


def on_one_axis(content: ReportContent) -> bool:
    """Say whether published values and ours can share an axis: where values are judged, or where their ranges meet."""
    cells = [c for c in content.cells if c.cell.kind == "measured"]
    ours = [v * factor(c.cell) for c in cells for v in extent(c)]
    published = [c.cell.published for c in cells if c.cell.published is not None]
    if content.absolute or not ours or not published:
        return True
    return min(ours) <= max(published) and min(published) <= max(ours)


def extent(result: CellResult) -> list[float]:
    """Return everything of a measured cell that must lie inside an axis, in its internal unit."""
    if mean(result) is None or result.estimate is None:
        return []
    return drawable([*result.values.values(), result.estimate.low, result.estimate.high])


def axis(canvas: Canvas, scale: AxisScale, top: float, bottom: float, most: int) -> None:
    """Draw a horizontal axis: faint lines at round values, the values below."""
    ticks = scale.ticks(most)
    for tick in ticks:
        canvas.line([scale(tick)] * 2, [top, bottom], "line", 0.8)
        canvas.text(scale(tick), bottom + 10, tick_text(tick, ticks), 8.5, "soft", "center")


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """Return a tick with as many decimals as its axis needs."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return fixed(tick, max(0, -math.floor(math.log10(step) + 1e-9)))


def _places(rows: Sequence[int], top: float, headed: bool) -> list[float]:
    """Where cells lie; `headed`: each row of the table has its name above its cells."""
    places: list[float] = []
    y, last = top - STEP, None
    for row in rows:
        y += STEP
        if row != last:
            y += (GAP if last is not None else 0) + (14 if headed else 0)
        places.append(y)
        last = row
    return places


def _cell(canvas: Canvas, result: CellResult, scale: AxisScale, y: float) -> None:
    value, estimate, colour = mean(result), result.estimate, row_colour(result.cell.row)
    if value is None or estimate is None:
        state = {"failed": "×  failed", "missing": "○  not run"}.get(result.state, result.state)
        canvas.text(scale.start + 2, y, state, 8, "soft")
        return
    times = factor(result.cell)
    if estimate.covers != "nothing":
        ends = [scale(estimate.low * times), scale(estimate.high * times)]
        canvas.line(ends, [y, y], colour, 2.6, 0.5, round_ends=True)
    canvas.marks([scale(value * times)], [y], colour, row_marker(result.cell.row), 6.4, edge="raised")
    if len(result.values) > 1:
        seeds = [scale(v * times) for v in result.values.values()]
        canvas.marks(seeds, [y] * len(seeds), "ink", "o", 2.2, 0.6)


def agreement_plot(content: ReportContent, width: float = WIDE) -> str:
    """Draw published against ours with the diagonal; ranks instead of values where values are not judged.

    Empty where no cell has both numbers.
    """
    cells = compared(content.cells)
    if not cells:
        return ""
    by_rank = not content.absolute
    pairs = rank_pairs(content.cells)
    side, left, top = 250.0, 44.0, 12.0
    points: list[tuple[CellResult, float, float]] = []
    ends: list[float] = []
    for result in cells:
        times, estimate = factor(result.cell), result.estimate
        x = float(pairs[result.cell.id][0]) if by_rank else result.cell.published or 0.0
        y = float(pairs[result.cell.id][1]) if by_rank else (mean(result) or 0.0) * times
        points.append((result, x, y))
        ends += [x, y]
        if not by_rank and estimate is not None and estimate.covers != "nothing":
            ends += [estimate.low * times, estimate.high * times]
    across = padded(ends, left, left + side, 0.05)
    # Rank 1 is the best: right and on top, as a large value is.
    if by_rank:
        across = AxisScale(across.high, across.low, left, left + side)
    upward = AxisScale(across.low, across.high, top + side, top)
    ticks = _rank_ticks(len(cells)) if by_rank else across.ticks(7)
    labels = dict((c.cell.row, c.cell.row_label) for c in cells)
    named = 1 < len(labels) <= 10
    below = named and width <= NARROW
    legend = 0.0 if not named or below else min(150.0, max(text_width(t, 8.5) for t in labels.values())) + 34
    height = top + side + 36 + (17 * len(labels) if below else 0)
    canvas = Canvas(NARROW if below else left + side + 8 + legend, height)
    for tick in ticks:
        canvas.line([across(tick)] * 2, [top, top + side], "line", 0.8)
        canvas.line([left, left + side], [upward(tick)] * 2, "line", 0.8)
        text = tick_text(tick, ticks)
        canvas.text(across(tick), top + side + 10, text, 8.5, "soft", "center")
        canvas.text(left - 6, upward(tick), text, 8.5, "soft", "right")
    canvas.line([left, left + side], [top + side, top], "faint", 1.0, dashes=(4, 3))
    for result, x, y in points:
        colour, times, estimate = row_colour(result.cell.row), factor(result.cell), result.estimate
        if not by_rank and estimate is not None and estimate.covers != "nothing":
            canvas.line([across(x)] * 2, [upward(estimate.low * times), upward(estimate.high * times)], colour, 2, 0.45)
        canvas.marks([across(x)], [upward(y)], colour, row_marker(result.cell.row), 6.6, 0.92, edge="raised")
    what = "rank, 1 = best" if by_rank else content.table.metrics.get(cells[0].cell.metric, "")
    canvas.text(left + side / 2, top + side + 27, f"published {what}", 8.5, "soft", "center")
    canvas.text(2, 4, "ours", 8.5, "soft")
    for index, (row, label) in enumerate(labels.items() if named else ()):
        x, y = (left, top + side + 44) if below else (left + side + 22, top + 12)
        y += 17 * index
        canvas.marks([x], [y], row_colour(row), row_marker(row), 6.6)
        canvas.text(x + 10, y, shortened(label, 230 if below else 150, 8.5), 8.5, "soft")
    kind = "ranks" if by_rank else "values"
    caption = f"{len(cells)} cells: published {kind} across, our {kind} upwards; on the dashed diagonal both are alike."
    return canvas.svg("agreement", f"Published {kind} against ours", caption)


def _rank_ticks(n: int) -> list[float]:
    step = next(step for step in (1, 5, 10, 20, 50, 100, n) if n <= 8 * step or step == n)
    return [1.0, *(float(k) for k in range(step if step > 1 else 2, n + 1, step))]
