"""Printing: one JSON document on stdout, or tables for people; everything else goes to stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def print_json(rows: Iterable[dict[str, Any]], **more: Any) -> None:
    """Print the one JSON document of a command: {"schema": 1, "rows": [...]}."""
    json.dump({"schema": 1, **more, "rows": list(rows)}, sys.stdout, indent=1, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table that fits the terminal: folded and with colours on one, plain columns into a pipe.

    A terminal that would break words (keys, ids) is too narrow to fold for: there, too, columns are plain.
    """
    lines = [[str(value) for value in row] for row in rows]
    columns = list(zip(headings, *lines, strict=True))
    if not sys.stdout.isatty():
        _print_plain(headings, lines, title)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    longest = [max(len(part) for value in column for part in value.split() or [""]) for column in columns]
    if sum(longest) + 2 * (len(longest) - 1) > console.width:
        _print_plain(headings, lines, title)
        return
    if title:
        # apart from the table, which would fold it to its own width
        console.print(title, style="italic", markup=False)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading, *values in columns:
        table.add_column(heading, overflow="fold", no_wrap=all(" " not in value for value in values))
    for line in lines:
        table.add_row(*line)
    console.print(table)


def _print_plain(headings: Sequence[str], lines: Sequence[Sequence[str]], title: str) -> None:
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    if title:
        print(title)
    for line in (headings, *lines):
        print("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def print_line(text: str) -> None:
    """A message for the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


def portable(option: str, path: Path) -> list[str]:
    """An option with a folder or file, quoted for a shell, for a page that others may read.

    A path inside the current folder, or given as a relative one, is written so. Any other belongs to one machine: its
    place is named, `--data <data>`, and a shell refuses the line until something is put there.
    """
    whole = Path.cwd() / path
    if not path.is_absolute():
        return [option, shlex.quote(path.as_posix())]
    if whole.is_relative_to(Path.cwd()):
        return [option, shlex.quote(whole.relative_to(Path.cwd()).as_posix())]
    return [option, f"<{option.strip('-')}>"]


def duration(seconds: float) -> str:
    """Seconds in words: 45 s, 3 min 20 s, 5 h 10 min, 3.2 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{seconds / 86400:.1f} days"
