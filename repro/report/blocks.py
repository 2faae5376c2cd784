"""What report sections are made of: paragraphs, lists, tables, charts, commands. Writers print them, each in its way.

`repro.report.sections` builds them once; a writer knows how a kind of block looks in its format and nothing of reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Paragraph:
    """Words, as they are."""

    text: str
    small: bool = False


@dataclass(frozen=True)
class ItemList:
    """A list of sentences."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class CommandLine:
    """What can be copied into a shell."""

    command: str
    label: str = ""


@dataclass(frozen=True)
class Value:
    """What stands in a table's cell, where it is more than a text."""

    text: str
    number: float | None = None
    """What the column is sorted by; None sorts last."""
    code: bool = False
    link: str = ""
    """Name of another row that it leads to."""


@dataclass(frozen=True)
class DataTable:
    """A table whose first column names its rows."""

    name: str
    """Unique in the report."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Value, ...], ...]
    numeric: tuple[int, ...] = ()
    """Columns of numbers."""
    caption: str = ""
    search: str = ""
    """Label of a field that filters its rows; empty: no field."""
    downloads: bool = False
    """Whether the report's own rows are offered as files here."""
    shaded: float = 0.0
    """A number from which on a cell is shaded strongest; 0: no shades."""


@dataclass(frozen=True)
class Chart:
    """A drawing; formats of text leave it out."""

    name: str
    """What it shows, for those who do not see it."""
    draw: Callable[[float], str]
    """From a width in points (`charts.canvas.WIDE` or `NARROW`) to SVG."""
    note: str = ""


@dataclass(frozen=True)
class Fold:
    """What is shown on demand."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Part:
    """What a page shows by a template of its own, and what formats of text print in its place."""

    template: str
    values: Callable[[], Mapping[str, Any]]
    """What the template prints; computed when it is printed."""
    text: tuple[Block, ...] = ()


Block = Paragraph | ItemList | CommandLine | DataTable | Chart | Fold | Part


@dataclass(frozen=True)
class Section:
    """A part of a report under a heading."""

    name: str
    """Of its address in the page."""
    title: str
    gist: str
    """One sentence: all that is seen of it while it is folded."""
    blocks: tuple[Block, ...]
    folded: bool = True
