"""Markdown: what its pieces look like, and reports made of them. Narrow tables that read well, in a diff too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from repro.report.blocks import Block, CommandLine, DataTable, Fold, ItemList, Paragraph, Part, Section, Value
from repro.report.content import ReportContent
from repro.report.legend import VERDICTS
from repro.report.sections import sections
from repro.report.sentences import facts, order_line, scale_line

WIDEST = 9
"""Columns from which on a table of numbers is turned, few of its rows beside each other."""
BESIDE = 4


def report_markdown(content: ReportContent) -> str:
    """Return the report as GitHub-flavoured Markdown. It does not depend on the clock: equal records, equal bytes."""
    table = content.table
    points = [
        f"{VERDICTS[line.verdict].symbol} {text(line.text)}" if line.verdict else text(line.text)
        for line in content.findings
    ]
    parts = [
        f"# {text(f'{table.paper} {table.place}'.strip())}: {text(table.title)}",
        bullets(points) or f"**{text(content.headline)}**",
        text(order_line(content)) if points else "",
        *(f"**Remark.** {text(remark)}" for remark in content.remarks),
        text(scale_line(content)),
        bullets(f"{fact['name']}: **{text(fact['value'])}**{_remark(fact['small'])}" for fact in facts(content)),
    ]
    parts += sections_markdown(sections(content))
    return "\n\n".join(part for part in parts if part) + "\n"


def sections_markdown(items: Iterable[Section]) -> list[str]:
    """Return sections under their headings."""
    parts: list[str] = []
    for section in items:
        parts += [f"## {text(section.title)}", text(section.gist), *blocks_markdown(section.blocks)]
    return parts


def blocks_markdown(blocks: Iterable[Block]) -> list[str]:
    """Return blocks as Markdown; charts are left out."""
    return [piece for block in blocks for piece in _pieces(block) if piece]


def _pieces(block: Block) -> list[str]:
    match block:
        case Paragraph():
            return [text(block.text)]
        case ItemList():
            return [bullets(text(line) for line in block.lines)]
        case CommandLine():
            return [text(block.label), fence(block.command)]
        case DataTable():
            return _table(block)
        case Fold():
            inner = blocks_markdown(block.blocks)
            return [f"<details><summary>{text(block.summary)}</summary>", *inner, "</details>"] if inner else []
        case Part():
            return blocks_markdown(block.text)
        case _:
            return []


def _table(table: DataTable) -> list[str]:
    caption = text(table.caption)
    if len(table.columns) <= WIDEST or len(table.numeric) < len(table.columns) - 1:
        body = [[_value(value) for value in row] for row in table.rows]
        return [caption, rows([text(name) for name in table.columns], body, table.numeric)]
    # One row per column: a table of few rows and many columns is turned, a few of its rows beside each other.
    turned = []
    for start in range(0, len(table.rows), BESIDE):
        part = table.rows[start : start + BESIDE]
        head = [text(table.columns[0]), *(_value(row[0]) for row in part)]
        body = [[text(name), *(_value(row[k]) for row in part)] for k, name in enumerate(table.columns) if k]
        turned.append(rows(head, body, tuple(range(1, len(head)))))
    if len(turned) > 2:
        turned = [f"<details><summary>{len(table.rows)} rows of the table, as columns</summary>", *turned, "</details>"]
    return [caption, *turned]


def _value(value: str | Value) -> str:
    if isinstance(value, str):
        return text(value) or " "
    return (code(value.text) if value.code else text(value.text)) if value.text else " "


def text(content: str) -> str:
    """Return words that Markdown and HTML leave as they are."""
    escaped = re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", _one_line(content))
    return escaped.replace("&", "&amp;")


def code(content: str) -> str:
    """Return words as a code span, also inside a table."""
    return f"`{_one_line(content).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def fence(command: str) -> str:
    """Return a command as a block to copy; no run of backticks in it ends the block."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}sh\n{command}\n{marks}"


def _one_line(content: str) -> str:
    return " ".join(content.splitlines())


def bullets(lines: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {line}" for line in lines)


def rows(head: Sequence[str], body: Iterable[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return a table; cells come escaped. Empty where it would have no rows."""
    lines = [f"| {' | '.join(cells)} |" for cells in body]
    if not lines:
        return ""
    rule = " | ".join("---:" if index in numeric else "---" for index in range(len(head)))
    return "\n".join([f"| {' | '.join(name or ' ' for name in head)} |", f"| {rule} |", *lines])


def _remark(remark: str) -> str:
    return f" ({text(remark.removesuffix('.'))})" if remark else ""
