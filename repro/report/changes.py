"""What changed since the report before: read from the data that every report carries inside."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.report.content import ReportContent
from repro.report.formats.frames import cell_rows
from repro.report.number_format import NONE, factor, fixed, signed
from repro.spec.naming import cell_label

DATA = re.compile(r'<script type="application/json" id="report-data">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Change:
    """One cell whose number is another than before, as printed."""

    label: str
    before: str
    now: str
    change: str


def read_data(page: Path) -> dict[str, Any] | None:
    """Return the data inside an HTML report; None where there is no such file or it is no report."""
    if not page.is_file():
        return None
    match = DATA.search(page.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        return None
    try:
        data = json.loads(match[1])
    except ValueError:
        return None
    return data if isinstance(data, dict) and {"table", "scale", "cells"} <= data.keys() else None


def changes(before: Mapping[str, Any] | None, content: ReportContent) -> tuple[Change, ...]:
    """Return the cells that changed since the report before.

    Where none did, the changes which that report told of are told again: making a report twice gives the same page.
    What is not understood of it, as another version or another program may have written it, counts as not there.
    """
    if before is None or before["table"] != content.table.id or before["scale"] != content.scale:
        return ()
    try:
        return _changes(before, content)
    except (KeyError, TypeError, AttributeError):
        return ()


def _changes(before: Mapping[str, Any], content: ReportContent) -> tuple[Change, ...]:
    shares = before.get("schema") == 1  # values of that time were shares in [0, 1]
    old = {row["id"]: row["value"] for row in before["cells"]}
    differing = []
    cells = {result.cell.id: result.cell for result in content.cells}
    for row in cell_rows(content):
        cell, was, now = cells[row["id"]], old.get(row["id"]), row["value"]
        if was is not None and shares:
            was *= factor(cell)
        if was == now:
            continue
        difference = signed(now - was, cell.decimals) if was is not None and now is not None else NONE
        differing.append(Change(cell_label(cell), fixed(was, cell.decimals), fixed(now, cell.decimals), difference))
    if not differing:
        return tuple(Change(**change) for change in before.get("changes", ()))
    return tuple(differing)


def changes_line(differing: Sequence[Change]) -> str:
    """Return how many cells changed, in words."""
    new = sum(change.before == NONE for change in differing)
    gone = sum(change.now == NONE for change in differing)
    parts = (
        (len(differing) - new - gone, "changed"),
        (new, "measured for the first time"),
        (gone, "without a number now"),
    )
    cells = "1 cell" if len(differing) == 1 else f"{len(differing)} cells"
    return f"{cells}: " + ", ".join(f"{n} {kind}" for n, kind in parts if n)
