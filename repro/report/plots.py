"""The charts about cells and trainings. Each function takes numbers already computed and returns one `<svg>` element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.report.content import CellResult, Curve, ReportContent
from repro.report.grid import Grid, compared, difference, mean, rank_pairs
from repro.report.numbers import factor, fixed, signed
from repro.report.svg import chart_settings, to_svg
from repro.report.theme import paint, row_marker, row_paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_POINTS = 80
"""Curves are thinned to so many points: more than a small panel has room for."""


def quiet(axes: Axes, grid: str = "") -> None:
    """Leave of an axes only what carries information; `grid` is "x", "y", "both" or empty."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelcolor=paint("soft"), labelsize=8.5, pad=4)
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=paint("line"), linewidth=0.8)


def interval_plot(content: ReportContent) -> str:
    """Draw every measured cell: ours as point and 95 % interval, seeds as dots, published as a diamond.

    Where ours and the published values are on different levels (a small scale) they stand on two axes of the same
    length in points, so that a gain has the same length on both.
    """
    from matplotlib.figure import Figure

    cells = [c for c in content.cells if c.cell.kind == "measured"]
    cells.sort(key=lambda c: (c.cell.row, c.cell.column))
    ours = [v * factor(c.cell) for c in cells for v in _extent(c)]
    published = [c.cell.published for c in cells if c.cell.published is not None]
    together = content.scale == "paper" or not ours or not published or _overlap(ours, published)
    heights = _heights([c.cell.row for c in cells])
    with chart_settings():
        figure = Figure(figsize=(8.6, 0.7 + 0.235 * (max(heights, default=0) + 1.5)), layout="constrained")
        figure.patch.set_visible(False)
        panels: list[Any] = list(np.atleast_1d(figure.subplots(1, 1 if together else 2, sharey=True)))
        left, right = panels[0], panels[-1]
        for result, y in zip(cells, heights, strict=True):
            _interval_row(right, result, y)
            if result.cell.published is not None:
                left.plot(
                    [result.cell.published], [y], marker="D", markersize=5.6, markerfacecolor="none", markeredgewidth=1.3,
                    color=paint("ink"), linestyle="none", zorder=4,
                )  # fmt: skip
        for axes in panels:
            quiet(axes, "x")
        left.set_yticks(heights, [c.cell.column_label for c in cells])
        left.set_ylim(max(heights, default=0) + 0.8, -0.8)
        if together:
            _limits(right, ours + published)
            right.set_xlabel("◇ published     ● ours with 95 % interval     · seeds", color=paint("soft"), labelpad=8)
        else:
            span = max(max(ours) - min(ours), max(published) - min(published))
            _limits(left, published, span)
            _limits(right, ours, span)
            left.set_title("◇ published", color=paint("ink"), loc="left")
            right.set_title("● ours, 95 % interval, · seeds", color=paint("ink"), loc="left")
        for row, label in dict((c.cell.row, c.cell.row_label) for c in cells).items():
            places = [y for c, y in zip(cells, heights, strict=True) if c.cell.row == row]
            left.annotate(
                label, (0, float(np.mean(places))), xycoords=("axes fraction", "data"), xytext=(-62, 0),
                textcoords="offset points", ha="right", va="center", color=row_paint(row), fontsize=9, fontweight="bold",
            )  # fmt: skip
        described = f"{len(cells)} measured cells in the paper's order; the table above has the same numbers."
        return to_svg(figure, "intervals", "Published values and ours with 95 % intervals", described)


def _interval_row(axes: Axes, result: CellResult, y: float) -> None:
    times, colour = factor(result.cell), row_paint(result.cell.row)
    value = mean(result)
    if value is None:
        words = {"failed": "× failed", "missing": "○ not run"}.get(result.state, result.state)
        axes.annotate(
            words, (0.01, y), xycoords=("axes fraction", "data"), va="center", color=paint("soft"), fontsize=8
        )
        return
    estimate = result.estimate
    if estimate is not None and estimate.covers != "nothing":
        axes.plot(
            [estimate.low * times, estimate.high * times], [y, y], color=colour, linewidth=2.4, alpha=0.55,
            solid_capstyle="round",
        )  # fmt: skip
    seeds = [v * times for v in result.values.values()]
    if len(seeds) > 1:
        axes.plot(seeds, [y] * len(seeds), ".", color=paint("ink"), markersize=3.2, alpha=0.55, zorder=5)
    axes.plot(
        [value * times], [y], marker=row_marker(result.cell.row), color=colour, markersize=6, markeredgecolor=paint("page"),
        markeredgewidth=0.8, zorder=3,
    )  # fmt: skip


def _extent(result: CellResult) -> list[float]:
    """Everything of a cell that must lie inside the axes."""
    if mean(result) is None:
        return []
    ends = [] if result.estimate is None else [result.estimate.low, result.estimate.high]
    return [v for v in [*result.values.values(), *ends] if not math.isnan(v)]


def _overlap(first: Sequence[float], second: Sequence[float]) -> bool:
    return min(first) <= max(second) and min(second) <= max(first)


def _heights(rows: Sequence[int]) -> list[float]:
    """Return y positions: 1 apart, 0.8 more between rows of the table."""
    heights: list[float] = []
    for index, row in enumerate(rows):
        step = 0.0 if index == 0 else 1.0 if row == rows[index - 1] else 1.8
        heights.append((heights[-1] if heights else 0.0) + step)
    return heights


def _limits(axes: Axes, values: Sequence[float], span: float | None = None) -> None:
    low, high = min(values), max(values)
    span = max(span if span is not None else high - low, 1.0)
    middle = (low + high) / 2
    axes.set_xlim(middle - 0.56 * span, middle + 0.56 * span)


def heat_maps(content: ReportContent, grid: Grid) -> str:
    """Draw the table three times as colours: published, ours, and their difference.

    Below scale `paper` the mean difference of the table is taken off the third: what is left is where the pattern departs.
    """
    from matplotlib.figure import Figure

    both = {c.cell.id: c for c in compared(content.cells)}
    offset = 0.0
    if content.scale != "paper" and both:
        offset = float(np.mean([difference(c) or 0.0 for c in both.values()]))
    shape = (len(grid.rows), len(grid.columns))
    published, ours, departs = (np.full(shape, np.nan) for _ in range(3))
    decimals = 2
    for i, row in enumerate(grid.rows):
        for j, place in enumerate(row.cells):
            if place is None:
                continue
            cell = place.result.cell
            decimals = cell.decimals
            published[i, j] = np.nan if cell.published is None else cell.published
            value = mean(place.result)
            ours[i, j] = np.nan if value is None else value * factor(cell)
            if cell.id in both:
                departs[i, j] = (difference(place.result) or 0.0) - offset
    titles = ("published", "ours", "difference" if not offset else f"difference, mean of {signed(offset, decimals)} removed")
    stacked = shape[1] > 2 * shape[0]
    with chart_settings():
        width = 8.6 if not stacked else min(8.6, 1.6 + 0.75 * shape[1])
        each = 0.62 + 0.34 * shape[0]
        figure = Figure(figsize=(width, each * (3 if stacked else 1)), layout="constrained")
        figure.patch.set_visible(False)
        panels = np.atleast_1d(figure.subplots(*((3, 1) if stacked else (1, 3)), sharex=True, sharey=True))
        for axes, values, title in zip(panels, (published, ours, departs), titles, strict=True):
            _heat(axes, values, diverging=values is departs, decimals=decimals if shape[1] <= 8 else 1)
            quiet(axes)
            axes.set_title(title, color=paint("ink"), loc="left", pad=8)
            axes.set_xticks(range(shape[1]), grid.columns)
            axes.set_yticks(range(shape[0]), [row.label for row in grid.rows])
            axes.set_xlim(-0.5, shape[1] - 0.5)
            axes.set_ylim(shape[0] - 0.5, -0.5)
        text = "The paper's table as colours: published, ours, difference; a stronger colour is a larger number."
        return to_svg(figure, "heat", "Heat maps of published values, ours and the difference", text)


def _heat(axes: Axes, values: np.ndarray[Any, Any], diverging: bool, decimals: int) -> None:
    from matplotlib.patches import Rectangle

    known = values[~np.isnan(values)]
    low = float(known.min()) if known.size else 0.0
    reach = float(np.abs(known).max() if diverging else known.max() - low) if known.size else 0.0
    for i, j in np.ndindex(*values.shape):
        value = float(values[i, j])
        if math.isnan(value):
            axes.text(j, i, "–", ha="center", va="center", color=paint("faint"), fontsize=8)
            continue
        share = (abs(value) if diverging else value - low) / reach if reach > 0 else 0.0
        strength = 0.06 + 0.8 * share
        colour = paint("row2") if diverging and value < 0 else paint("accent")
        axes.add_patch(Rectangle((j - 0.47, i - 0.45), 0.94, 0.9, facecolor=colour, alpha=strength, linewidth=0))
        text = signed(value, decimals) if diverging else fixed(value, decimals)
        ink = paint("page") if strength > 0.55 else paint("ink")
        axes.text(j, i, text, ha="center", va="center", color=ink, fontsize=7.6)


def agreement_plot(content: ReportContent) -> str:
    """Draw published against ours with the diagonal; below scale `paper`, ranks instead of values."""
    from matplotlib.figure import Figure

    cells = compared(content.cells)
    by_rank = content.scale != "paper"
    pairs = rank_pairs(content.cells)
    with chart_settings():
        figure = Figure(figsize=(4.5, 4.1), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        seen: set[int] = set()
        ends: list[float] = []
        for result in cells:
            row, times = result.cell.row, factor(result.cell)
            x: float = pairs[result.cell.id][0] if by_rank else result.cell.published or 0.0
            y: float = pairs[result.cell.id][1] if by_rank else (mean(result) or 0.0) * times
            estimate = result.estimate
            if not by_rank and estimate is not None and estimate.covers != "nothing":
                axes.plot([x, x], [estimate.low * times, estimate.high * times], color=row_paint(row), alpha=0.5, lw=1.6)
                ends += [estimate.low * times, estimate.high * times]
            axes.plot(
                [x], [y], marker=row_marker(row), color=row_paint(row), markersize=6.5, linestyle="none", alpha=0.9,
                markeredgecolor=paint("page"), markeredgewidth=0.7,
                label=None if row in seen else result.cell.row_label,
            )  # fmt: skip
            seen.add(row)
            ends += [x, y]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        edge = 0.06 * max(high - low, 1.0)
        axes.plot([low - edge, high + edge], [low - edge, high + edge], color=paint("faint"), linewidth=1, dashes=(4, 3))
        axes.set_xlim(low - edge, high + edge)
        axes.set_ylim(low - edge, high + edge)
        if by_rank:
            axes.invert_xaxis()
            axes.invert_yaxis()
        axes.set_aspect("equal")
        quiet(axes, "both")
        what = "rank" if by_rank else content.table.metrics.get(cells[0].cell.metric, "") if cells else ""
        axes.set_xlabel(f"published {what}" + (" (1 = best)" if by_rank else ""), color=paint("soft"))
        axes.set_ylabel(f"our {what}", color=paint("soft"))
        if 1 < len(seen) <= 8:
            legend = axes.legend(
                loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8.5, labelcolor=paint("soft"),
                handletextpad=0.2,
            )  # fmt: skip
            legend.set_in_layout(True)
        kind = "ranks" if by_rank else "values"
        text = f"{len(cells)} cells: published {kind} across, our {kind} upwards; on the dashed diagonal both are alike."
        return to_svg(figure, "agreement", f"Published {kind} against ours", text)


def curves_plot(curves: Sequence[Curve]) -> str:
    """Draw a small panel per training on common axes: seeds faint, their mean strong."""
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(curve.label for curve in curves))
    across = min(4, len(labels))
    down = math.ceil(len(labels) / across)
    top = float(max(np.quantile(curve.loss, 0.98) for curve in curves)) * 1.08
    last = int(max(curve.step[-1] for curve in curves))
    with chart_settings():
        figure = Figure(figsize=(8.6, 0.25 + 1.15 * down), layout="constrained")
        figure.patch.set_visible(False)
        panels = np.atleast_1d(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel())
        for axes in panels[len(labels) :]:
            axes.set_visible(False)
        for axes, label in zip(panels, labels, strict=False):
            seeds = [curve for curve in curves if curve.label == label]
            steps = np.linspace(seeds[0].step[0], seeds[0].step[-1], min(PANEL_POINTS, len(seeds[0].step)))
            losses = np.array([np.interp(steps, curve.step, curve.loss) for curve in seeds])
            for loss in losses if len(seeds) > 1 else []:
                axes.plot(steps, loss, color=paint("accent"), alpha=0.35, linewidth=0.8)
            axes.plot(steps, losses.mean(axis=0), color=paint("accent"), linewidth=1.5)
            quiet(axes, "y")
            axes.set_xlim(0, last)
            axes.set_ylim(0, top)
            axes.set_title(label, color=paint("ink"), loc="left", fontsize=8.2, pad=3)
            axes.locator_params(nbins=3)
        text = f"{len(labels)} trainings; across: iterations up to {last}; upwards: loss, from 0, on one common scale."
        return to_svg(figure, "curves", "Training loss of each training", text)
