"""The paper's table alone as Markdown, to be pasted into a README."""

from __future__ import annotations

from repro.report.content import ReportContent
from repro.report.formats.markdown import rows, text
from repro.report.grid import GridCell, grid
from repro.report.table_alone import caption, has_gains, has_ours, ours_text, published_text, shows_published


def table_markdown(content: ReportContent, ours_only: bool = False) -> str:
    """Return the table with a line above that says what it is of, and one below that says how to read it."""
    laid = grid(content)
    both = shows_published(content, ours_only)
    gained = has_gains(laid)
    whose = [""] if both or gained else []
    body = []
    for row in laid.rows:
        heads = [text(head) for head in row.heads]
        lines = [("published", _published)] if both else []
        lines += [("ours", _ours)] if has_ours(row) or not both else []
        lines += [("to baseline", _gain)] if gained else []
        for name, explanation in lines:
            body.append([*heads, *([name] if whose else []), *map(explanation, row.cells)])
            heads = [" " for _ in heads]
    head = [text(name) for name in (*laid.headings, *whose, *laid.columns)]
    numeric = tuple(range(len(head) - len(laid.columns), len(head)))
    place = f"{content.table.paper} {content.table.place}".strip()
    made = f"Made by repro {content.version}" + (f" from records up to {content.date[:10]}." if content.date else ".")
    return "\n\n".join(
        [f"**{text(place)}: {text(content.table.title)}**", rows(head, body, numeric),
         f"{text(caption(content, laid, both))} {text(made)}"]
    ) + "\n"  # fmt: skip


def _published(cell: GridCell | None) -> str:
    printed = text(published_text(cell))
    return f"**{printed}**" if printed and cell is not None and cell.best_published else printed or " "


def _gain(cell: GridCell | None) -> str:
    return text(cell.gain) if cell is not None and cell.gain else " "


def _ours(cell: GridCell | None) -> str:
    value, rest = ours_text(cell)
    ours = f"**{text(value)}**" if value and cell is not None and cell.best_ours else text(value)
    return " ".join(part for part in (ours, text(rest)) if part) or " "
