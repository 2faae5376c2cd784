"""The one chart of a table's main message, for the first screen."""

from __future__ import annotations

from repro.report.blocks import Chart
from repro.report.charts.claim_effects import forest_plot
from repro.report.charts.intervals import interval_plot
from repro.report.charts.lines import is_series, series_plot
from repro.report.content import ReportContent

MOST_CELLS = 26
"""More marks than that are no first look."""


def main_figure(content: ReportContent) -> Chart | None:
    """Return lines where columns have an order; all effects where a table is about these; else the cells.

    None where nothing was measured.
    """
    measured = [c for c in content.cells if c.cell.kind == "measured"]
    if not any(c.state == "done" for c in measured):
        return None
    if is_series(content):
        return Chart("Each row over the columns, the paper's beside ours", lambda width: series_plot(content, width))
    if (content.table.kind == "pitfalls" or len(measured) > MOST_CELLS) and forest_plot(content.claims):
        return Chart("The effect behind each claim", lambda width: forest_plot(content.claims, width))
    if len(measured) <= MOST_CELLS:
        return Chart("Every measured cell with its interval", lambda width: interval_plot(content, width))
    return None
