"""The paper's table as LaTeX (booktabs), published and ours."""

from __future__ import annotations

from collections.abc import Sequence

from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, grid
from repro.report.legend import LEGEND
from repro.spec.departures import asked_for, named

PACKAGES = ("booktabs", "amssymb", "adjustbox")
MOST_COLUMNS = 8
"""Of a curve's points or a grid's columns; with more, and fewer rows, the table is turned."""

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$",
    "✓": r"\checkmark{}", "–": "--", "○": r"$\circ$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escape(plain: str) -> str:
    """Return words that LaTeX prints as they are."""
    return "".join(ESCAPES.get(letter, letter) for letter in plain)


def report_latex(content: ReportContent) -> str:
    """Return a `table` environment, shrunk to the page where it is larger; it needs the packages PACKAGES."""
    laid = grid(content)
    turned = len(laid.columns) > max(MOST_COLUMNS, len(laid.rows))
    title = f"{escape(content.table.title)} ({escape('; '.join(content.table.metrics.values()))})"
    lines = [
        f"% {content.table.id} at scale {content.scale}; repro {content.version}"
        + (f", records up to {content.date}" if content.date else ""),
        rf"% needs \usepackage{{{', '.join(PACKAGES)}}}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{title}. {_caption(content)}}}",
        r"  \begin{adjustbox}{max totalsize={\linewidth}{0.85\textheight}}",
        *(_turned(laid) if turned else _upright(laid)),
        r"  \end{adjustbox}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _upright(laid: Grid) -> list[str]:
    """As in the paper, each row twice: published, ours."""
    heads = len(laid.headings)
    lines = [_row([*laid.headings, "", *laid.columns]), r"    \midrule"]
    for index, row in enumerate(laid.rows):
        lines.append(_row([*row.heads, "published", *map(_published, row.cells)]))
        lines.append(_row([*[""] * heads, "ours", *map(_ours, row.cells)]))
        if index + 1 < len(laid.rows):
            lines.append(r"    \addlinespace")
    return _tabular("l" * heads + "l" + "r" * len(laid.columns), lines)


def _turned(laid: Grid) -> list[str]:
    """A line for each column; the paper's rows side by side, each twice: published, ours."""
    lines = []
    for level, heading in enumerate(laid.headings):
        over = [rf"\multicolumn{{2}}{{c}}{{{escape(row.heads[level])}}}" for row in laid.rows]
        lines.append("    " + " & ".join([escape(heading), *over]) + r" \\")
    lines.append(_row(["", *["published", "ours"] * len(laid.rows)]))
    lines.append(r"    \midrule")
    for at, column in enumerate(laid.columns):
        pairs = ((_published(row.cells[at]), _ours(row.cells[at])) for row in laid.rows)
        lines.append(_row([column, *(value for pair in pairs for value in pair)]))
    return _tabular("l" + "rr" * len(laid.rows), lines)


def _tabular(columns: str, lines: Sequence[str]) -> list[str]:
    begin, end = rf"  \begin{{tabular}}{{{columns}}}", r"  \end{tabular}"
    return [begin, r"    \toprule", *lines, r"    \bottomrule", end]


def _row(cells: Sequence[str]) -> str:
    return "    " + " & ".join(map(escape, cells)) + r" \\"


def _caption(content: ReportContent) -> str:
    seeds = f"{len(content.seeds)} seeds" if len(content.seeds) > 1 else "one seed"
    changed_keys = [deviation.key for deviation in asked_for(content.deviations)]
    changed = f" with other settings than the paper's ({named(changed_keys)})" if changed_keys else ""
    caption = f"Ours at scale “{content.scale}”{changed}, mean over {seeds} with its 95 % interval."
    return escape(caption).replace("“", "``").replace("”", "''")


def _published(cell: GridCell | None) -> str:
    return cell.published if cell else ""


def _ours(cell: GridCell | None) -> str:
    if cell is None:
        return ""
    interval = f"({cell.interval})" if cell.interval else ""
    return " ".join(part for part in (cell.ours, interval, LEGEND[cell.mark].symbol) if part)
