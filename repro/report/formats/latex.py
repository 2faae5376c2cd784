"""The paper's table as LaTeX (booktabs): published and ours, or ours only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repro.report.content import ReportContent
from repro.report.grid import Grid, GridCell, grid
from repro.report.table_alone import caption, has_gains, has_ours, ours_text, published_text, shows_published

PACKAGES = ("booktabs", "amssymb", "adjustbox")
MOST_COLUMNS = 8
"""Of a curve's points or a grid's columns; with more, and fewer rows, the table is turned."""

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$",
    "✓": r"\checkmark{}", "–": "--", "○": r"$\circ$", "<": r"\textless{}", ">": r"\textgreater{}", "“": "``", "”": "''",
    "|": r"\textbar{}", "∞": r"$\infty$",
}  # fmt: skip


def escape(plain: str) -> str:
    """Return words that LaTeX prints as they are."""
    return "".join(ESCAPES.get(letter, letter) for letter in plain)


def report_latex(content: ReportContent, ours_only: bool = False) -> str:
    """Return a `table` environment, shrunk to the page where it is larger; it needs the packages PACKAGES."""
    laid = grid(content)
    both = shows_published(content, ours_only)
    turned = len(laid.columns) > max(MOST_COLUMNS, len(laid.rows))
    lines = [
        f"% {content.table.id} at scale {content.scale}; repro {content.version}"
        + (f", records up to {content.date}" if content.date else ""),
        rf"% needs \usepackage{{{', '.join(PACKAGES)}}}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(content.table.title)}. {escape(caption(content, laid, both, turned))}}}",
        rf"  \label{{tab:{content.table.id.replace('/', '-')}}}",
        r"  \begin{adjustbox}{max totalsize={\linewidth}{0.85\textheight}}",
        *(_turned(laid, both) if turned else _upright(laid, both)),
        r"  \end{adjustbox}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _upright(laid: Grid, both: bool) -> list[str]:
    """As in the paper; each row twice where both are shown: published, ours."""
    heads = len(laid.headings)
    gained = has_gains(laid)
    whose = [""] if both or gained else []
    lines = [_row(map(escape, [*laid.headings, *whose, *laid.columns])), r"    \midrule"]
    for index, row in enumerate(laid.rows):
        first = [escape(head) for head in row.heads]
        shown = [("published", _published)] if both else []
        shown += [("ours", _ours)] if has_ours(row) or not both else []
        shown += [("to baseline", _gain)] if gained else []
        for name, text in shown:
            lines.append(_row([*first, *([name] if whose else []), *map(text, row.cells)]))
            first = [""] * heads
        if whose and index + 1 < len(laid.rows):
            lines.append(r"    \addlinespace")
    return _tabular("l" * (heads + len(whose)) + "r" * len(laid.columns), lines)


def _turned(laid: Grid, both: bool) -> list[str]:
    """A line for each column; the paper's rows side by side, each with all that is shown of it."""
    shown = [("published", _published)] if both else []
    shown += [("ours", _ours)]
    shown += [("to baseline", _gain)] if has_gains(laid) else []
    each, lines = len(shown), []
    for level, heading in enumerate(laid.headings):
        heads = [escape(row.heads[level]) for row in laid.rows]
        over = [rf"\multicolumn{{{each}}}{{c}}{{{head}}}" for head in heads] if each > 1 else heads
        lines.append(_row([escape(heading), *over]))
    if each > 1:
        lines.append(_row(["", *[name for name, _ in shown] * len(laid.rows)]))
    lines.append(r"    \midrule")
    for at, column in enumerate(laid.columns):
        lines.append(_row([escape(column), *(text(row.cells[at]) for row in laid.rows for _, text in shown)]))
    return _tabular("l" + "r" * (each * len(laid.rows)), lines)


def _tabular(columns: str, lines: Sequence[str]) -> list[str]:
    begin, end = rf"  \begin{{tabular}}{{{columns}}}", r"  \end{tabular}"
    return [begin, r"    \toprule", *lines, r"    \bottomrule", end]


def _row(texts: Iterable[str]) -> str:
    return "    " + " & ".join(texts) + r" \\"


def _published(cell: GridCell | None) -> str:
    return _bold(escape(published_text(cell)), cell is not None and cell.best_published)


def _gain(cell: GridCell | None) -> str:
    return escape(cell.gain) if cell is not None else ""


def _ours(cell: GridCell | None) -> str:
    value, rest = ours_text(cell)
    return " ".join(part for part in (_bold(escape(value), cell is not None and cell.best_ours), escape(rest)) if part)


def _bold(text: str, best: bool) -> str:
    return rf"\textbf{{{text}}}" if best and text else text
