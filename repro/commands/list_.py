"""`repro list`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from repro.commands.output import print_json, print_table
from repro.spec.cell import CellKind
from repro.spec.load import load_suite

KINDS: tuple[CellKind, ...] = ("computed", "measured", "quoted")


def main(tables_dir: Path | None, as_json: bool) -> None:
    """Print every table: id, aliases, title, number of cells of each kind, number of claims."""
    suite = load_suite([tables_dir] if tables_dir else None)
    rows: list[dict[str, Any]] = []
    for spec in suite.tables.values():
        kinds = Counter(cell.kind for cell in spec.cells())
        rows.append(
            {
                "id": spec.id,
                "aliases": list(spec.aliases),
                "title": spec.title,
                "cells": {kind: kinds[kind] for kind in KINDS},
                "claims": len(spec.claims),
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        ("table", "also", "computed", "measured", "quoted", "claims", "title"),
        [
            (
                row["id"],
                ", ".join(row["aliases"]),
                *(row["cells"][kind] or "" for kind in KINDS),
                row["claims"] or "",
                row["title"],
            )
            for row in rows
        ],
    )
