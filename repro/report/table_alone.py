"""The paper's table without the rest of a report: what stands in its cells and under it, for a README or a paper."""

from __future__ import annotations

from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, GridRow
from repro.report.legend import LEGEND, Mark
from repro.report.number_format import NONE
from repro.spec.departures import asked_for, named

JUDGED: tuple[Mark, ...] = ("agrees", "above", "below", "noisy")
"""Marks that hold a number of ours against the published one."""


def shows_published(content: ReportContent, ours_only: bool) -> bool:
    """Return whether published numbers stand beside ours: unless they are not wanted, or there are none."""
    return not ours_only and any(result.cell.published is not None for result in content.cells)


def published_text(cell: GridCell | None) -> str:
    """Return what stands for the published number; empty where none is known."""
    return "" if cell is None or cell.published == NONE else cell.published


def ours_text(cell: GridCell | None) -> tuple[str, str]:
    """Return our number, and its interval with the mark that holds it against the published one."""
    if cell is None or cell.result.state == "quoted" or cell.ours == NONE:
        return "", ""
    interval = f"({cell.interval})" if cell.interval else ""
    mark = LEGEND[cell.mark].symbol if cell.mark in JUDGED else ""
    return cell.ours, " ".join(part for part in (interval, mark) if part)


def has_gains(laid: Grid) -> bool:
    """Return whether cells are compared with a baseline."""
    return any(cell.gain and cell.gain != "baseline" for cell in laid.cells())


def has_ours(row: GridRow) -> bool:
    """Return whether anything of ours stands in a row: nothing does where all of it is quoted."""
    return any(ours_text(cell)[0] for cell in row.cells)


def caption(content: ReportContent, laid: Grid, both: bool, turned: bool = False) -> str:
    """Return what a reader of the table alone must know: unit, scale, seeds, marks, empty cells.

    `turned`: the table is shown with its columns as rows.
    """
    cells = laid.cells()
    seeds = f"{len(content.seeds)} seeds" if len(content.seeds) > 1 else "one seed"
    changed_keys = [deviation.key for deviation in asked_for(content.deviations)]
    changed = f" with other settings than the paper's ({named(changed_keys)})" if changed_keys else ""
    parts = [f"{'; '.join(content.table.metrics.values())}."]
    if any(cell.n for cell in cells):
        whose = f"{'Ours' if both else 'Measured'} at scale “{content.scale}”{changed}"
        parts.append(f"{whose}, mean over {seeds} with its 95 % interval.")
    if any(cell.result.state == "computed" for cell in cells):
        parts.append("Figures of the architecture are computed.")
    if any(cell.best_ours or (both and cell.best_published) for cell in cells):
        parts.append(f"Best of each {'column' if (len(laid.rows) > 1) != turned else 'row'} in bold.")
    if has_gains(laid):
        parts.append("Differences to the baseline are paired by seed and image; each interval is at 95 % by itself.")
    if both:
        used = [mark for mark in JUDGED if any(cell.mark == mark and ours_text(cell)[0] for cell in cells)]
        if used:
            marks = ", ".join(f"{LEGEND[mark].symbol} {LEGEND[mark].name}" for mark in used)
            parts.append(f"Against the published number: {marks}.")
        if any(not published_text(cell) for cell in cells):
            parts.append("An empty cell beside “published”: the paper prints no number.")
    if any(cell.result.state == "quoted" for cell in cells):
        parts.append("Rows without ours are quoted results, which are not measured here.")
    return " ".join(parts)
