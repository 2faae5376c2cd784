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
from repro.spec.table import Cell, CellKind, TableSpec

MARKS: dict[CellKind, str] = {"measured": "", "computed": " =", "quoted": " q"}
LEGEND: dict[CellKind, str] = {
    "measured": "measured: trained and evaluated here",
    "computed": "computed: follows from the network, exactly",
    "quoted": "quoted: shown, never claimed as ours",
}


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
        deviations = {(d.key, *_told(d.published, d.value), d.reason) for r in told.values() for d in r.deviations}
        if deviations:
            print_table(
                ("key", "paper", scale if scale != "paper" else "here", "reason"),
                sorted(deviations),
                title=f"What scale {scale} changes, and why" if scale != "paper" else "What is changed here",
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
    print(_legend({c.kind for c in cells}))
    for note in table.notes:
        print(f"  note: {note}")
    rows: dict[str, list[str]] = {}
    for label, note in dict.fromkeys((c.row_label, c.note) for c in cells if c.note):
        rows.setdefault(note, []).append(label)
    for note, labels in rows.items():
        print(f"  {'; '.join(labels)}: {note}")
    for claim in table.claims:
        print(f"  {claim.id} ({claim.kind}): {claim.text}")
    print()


def _printed(cell: Cell | None) -> str:
    if cell is None:
        return ""
    number = "unknown" if cell.published is None else f"{cell.published:.{cell.decimals}f}"
    return f"{number}{MARKS[cell.kind]}"


def _legend(kinds: set[CellKind]) -> str:
    """What the marks beside the numbers mean."""
    return "  " + "; ".join(
        f"{LEGEND[kind]}{MARKS[kind] and f' ({MARKS[kind].strip()})'}" for kind in LEGEND if kind in kinds
    )


def _told(published: Any, value: Any) -> tuple[str, str]:
    """Both values for print; of two groups of settings only those that differ."""
    if isinstance(published, dict) and isinstance(value, dict):
        differ = [k for k in published if published[k] != value.get(k)]
        return _settings(published, differ), _settings(value, differ)
    return str(published), str(value)


def _settings(values: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {values.get(key)}" for key in keys)
