"""`repro show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.commands.output import print_json, print_table
from repro.plan.plan import choose
from repro.run.scale import default_scale
from repro.spec.load import load_suite
from repro.spec.resolve import resolve
from repro.spec.table import Cell, TableSpec


def main(
    names: Sequence[str],
    scale: str | None,
    dataset: str | None,
    overrides: Sequence[str],
    only: Sequence[str],
    resolved: bool,
    tables_dir: Path | None,
    as_json: bool,
) -> None:
    """Print tables in the paper's shape with claims and deviations, or the resolved protocol of each cell."""
    suite = load_suite([tables_dir] if tables_dir else None)
    scale = scale or default_scale()
    suite.scale(scale)
    tables = suite.select(names)
    chosen = choose(tables, only)
    rows: list[dict[str, Any]] = []
    for table in tables:
        cells = chosen[table.id]
        told = {
            c.id: resolve(suite, table, c.settings, scale, dataset, overrides) for c in cells if c.kind == "measured"
        }
        if as_json or resolved:
            rows += [_row(cell, told.get(cell.id), resolved) for cell in cells]
            continue
        _print(table, cells)
        deviations = {(d.key, str(d.published), str(d.value), d.reason) for r in told.values() for d in r.deviations}
        if deviations:
            print_table(
                ("key", "paper", scale, "reason"), sorted(deviations), title=f"What scale {scale} changes, and why"
            )
    if as_json or resolved:
        print_json(rows, scale=scale)


def _row(cell: Cell, resolved: Any, full: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": cell.id,
        "kind": cell.kind,
        "metric": cell.metric,
        "published": cell.published,
        "row": cell.row_label,
        "column": cell.column_label,
        "settings": dict(cell.settings),
    }
    if resolved is not None:
        row["deviations"] = [vars(d) for d in resolved.deviations]
        if full:
            row["protocol"] = resolved.protocol.model_dump(mode="json")
    return row


def _print(table: TableSpec, cells: Sequence[Cell]) -> None:
    columns = list(dict.fromkeys((c.column, c.column_label) for c in cells))
    lines = []
    for row, label in dict.fromkeys((c.row, c.row_label) for c in cells):
        by_column = {c.column: c for c in cells if c.row == row}
        lines.append([label, *(_printed(by_column.get(column)) for column, _ in columns)])
    print_table(("", *(label for _, label in columns)), lines, title=f"{table.id}: {table.title}")
    for note in table.notes:
        print(f"  note: {note}")
    for claim in table.claims:
        print(f"  {claim.id} ({claim.kind}): {claim.text}")
    print()


def _printed(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.published is None:
        return "unknown"
    return f"{cell.published:.{cell.decimals}f}"
