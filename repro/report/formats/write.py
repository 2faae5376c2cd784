"""Reports on disk, in each format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from repro.errors import InputError, did_you_mean
from repro.report.changes import changes, read_data
from repro.report.content import ReportContent
from repro.report.files import UNNAMED, ready_folder, report_name, write_file
from repro.report.formats.frames import frames, to_csv, to_json, to_parquet

ReportFormat = Literal["md", "html", "csv", "parquet", "latex", "json", "table"]
FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
ALONE: tuple[ReportFormat, ...] = ("latex", "table")
"""Formats that hold the table alone, with or without the published numbers."""


def parse_formats(text: str) -> tuple[ReportFormat, ...]:
    """Return the formats of a list such as "md,html". Raises InputError for a word that is none."""
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    unknown = [part for part in names if part not in FORMATS]
    if unknown or not names:
        bad = unknown[0] if unknown else text
        raise InputError(f"--format: {bad!r} is not one of {', '.join(FORMATS)}.{did_you_mean(bad, FORMATS)}")
    return tuple(name for name in FORMATS if name in names)


def check_ours_only(ours_only: bool, formats: Sequence[ReportFormat]) -> None:
    """Raise InputError where published numbers are to be left out of formats that are not asked for."""
    if ours_only and not set(ALONE) & set(formats):
        raise InputError(
            f"--ours-only: it is about the formats {' and '.join(ALONE)}. Add --format {','.join(ALONE)}, or leave "
            "it out."
        )


def write_report(
    content: ReportContent, out_dir: Path, formats: Sequence[ReportFormat] = ("md", "html"), ours_only: bool = False
) -> list[Path]:
    """Write a report in each format and return the files written, e.g. v3-table3.md and v3-table3.html.

    All formats are made before the first is written. An HTML report says which cells changed since the one it replaces.
    `ours_only` leaves published numbers out of the formats ALONE.
    Raises InputError where the folder can't be written to, or a format needs a package that is not installed.
    """
    stem = content.name or report_name(content.table.id, UNNAMED)
    makers: dict[ReportFormat, Callable[[], dict[str, bytes]]] = {
        "md": lambda: {f"{stem}.md": _markdown(content)},
        "html": lambda: {f"{stem}.html": _html(content, out_dir / f"{stem}.html")},
        "csv": lambda: {f"{stem}-{name}.csv": to_csv(frame) for name, frame in frames(content).items()},
        "parquet": lambda: {f"{stem}-{name}.parquet": to_parquet(frame) for name, frame in frames(content).items()},
        "latex": lambda: {f"{stem}.tex": _latex(content, ours_only)},
        "json": lambda: {f"{stem}.json": to_json(content)},
        "table": lambda: {f"{stem}-table.md": _table(content, ours_only)},
    }
    ready_folder(out_dir)
    made = {file: data for name in formats for file, data in makers[name]().items()}
    return [write_file(out_dir / file, data) for file, data in made.items()]


def _markdown(content: ReportContent) -> bytes:
    from repro.report.formats.markdown import report_markdown

    return report_markdown(content).encode()


def _html(content: ReportContent, path: Path) -> bytes:
    from repro.report.formats.html import report_html

    return report_html(content, changes(read_data(path), content)).encode()


def _latex(content: ReportContent, ours_only: bool) -> bytes:
    from repro.report.formats.latex import report_latex

    return report_latex(content, ours_only).encode()


def _table(content: ReportContent, ours_only: bool) -> bytes:
    from repro.report.formats.table_markdown import table_markdown

    return table_markdown(content, ours_only).encode()
