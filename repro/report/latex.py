"""The paper's table as LaTeX (booktabs), published and ours."""

from __future__ import annotations

from repro.report.content import ReportContent
from repro.report.grid import GridCell, grid
from repro.report.marks import LEGEND
from repro.spec.departures import asked_for, named

ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$",
    "✓": r"\checkmark{}", "–": "--", "○": r"$\circ$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def escape(words: str) -> str:
    """Return words that LaTeX prints as they are."""
    return "".join(ESCAPES.get(letter, letter) for letter in words)


def report_latex(content: ReportContent) -> str:
    """Return a `table` environment; it needs the packages booktabs and amssymb."""
    laid = grid(content)
    heads = len(laid.headings)
    title = f"{escape(content.table.title)} ({escape('; '.join(content.table.metrics.values()))})"
    lines = [
        f"% {content.table.id} at scale {content.scale}; repro {content.version}, records up to {content.date}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{title}. {_caption(content)}}}",
        rf"  \begin{{tabular}}{{{'l' * heads}l{'r' * len(laid.columns)}}}",
        r"    \toprule",
        "    " + " & ".join(map(escape, [*laid.headings, "", *laid.columns])) + r" \\",
        r"    \midrule",
    ]
    for index, row in enumerate(laid.rows):
        published = ["" if c is None else c.published for c in row.cells]
        ours = ["" if c is None else _ours(c) for c in row.cells]
        lines.append("    " + " & ".join(map(escape, [*row.heads, "published", *published])) + r" \\")
        lines.append("    " + " & ".join(map(escape, [*[""] * heads, "ours", *ours])) + r" \\")
        if index + 1 < len(laid.rows):
            lines.append(r"    \addlinespace")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""]
    return "\n".join(lines)


def _caption(content: ReportContent) -> str:
    seeds = f"{len(content.seeds)} seeds" if len(content.seeds) > 1 else "one seed"
    asked = [deviation.key for deviation in asked_for(content.deviations)]
    changed = f" with other settings than the paper's ({named(asked)})" if asked else ""
    words = f"Ours at scale “{content.scale}”{changed}, mean over {seeds} with half of the 95 % interval."
    return escape(words).replace("“", "``").replace("”", "''")


def _ours(cell: GridCell) -> str:
    return " ".join(part for part in (cell.ours, cell.spread, LEGEND[cell.mark].symbol) if part)
