"""`repro show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.commands.output import print_json, print_table
from repro.plan.only import choose
from repro.run.scale import default_scale
from repro.spec.explain import shown
from repro.spec.keys import flat_of
from repro.spec.load import load_suite
from repro.spec.metric import find_metric
from repro.spec.protocol import Protocol
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
        resolutions = {
            c.id: resolve(suite, table, c.settings, scale, dataset, overrides) for c in cells if c.kind == "measured"
        }
        if as_json:
            rows += [_row(cell, resolutions.get(cell.id), resolved) for cell in cells]
            continue
        if resolved:
            _print_protocols(table, scale, {key: resolution.protocol for key, resolution in resolutions.items()})
            continue
        _print(table, cells)
        deviations = {
            (d.key, *_published_and_value(d.published, d.value), d.reason)
            for r in resolutions.values()
            for d in r.deviations
        }
        if deviations:
            print_table(
                ("key", "paper", scale if scale != "paper" else "here", "reason"),
                sorted(deviations),
                title=f"What scale {scale} changes, and why" if scale != "paper" else "What is changed here",
            )
    if as_json:
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


def _print_protocols(table: TableSpec, scale: str, protocols: Mapping[str, Protocol]) -> None:
    """What all measured cells share, key by key, then what tells them apart, cell by cell."""
    if not protocols:
        print(f"{table.id}: no cell is measured here, so none has a protocol.")
        return
    flat = {
        cell: {key: shown(value) for key, value in flat_of(protocol).items()} for cell, protocol in protocols.items()
    }
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    apart = [key for key in keys if len({values.get(key) for values in flat.values()}) > 1]
    protocol = next(iter(flat.values()))
    title = f"{table.id} at scale {scale}: " + ("what all measured cells share" if apart else "its measured cells")
    print_table(("key", "value"), [(key, protocol[key]) for key in keys if key not in apart], title=title)
    if apart:
        print()
        rows = [(cell, *(values.get(key, "none") for key in apart)) for cell, values in flat.items()]
        print_table(("cell", *apart), rows, title="What tells them apart")
    print()


def _print(table: TableSpec, cells: Sequence[Cell]) -> None:
    columns = list(dict.fromkeys((c.column, c.column_label) for c in cells))
    lines = []
    for row, label in dict.fromkeys((c.row, c.row_label) for c in cells):
        by_column = {c.column: c for c in cells if c.row == row}
        lines.append([label, *(_printed(by_column.get(column)) for column, _ in columns)])
    headings = [f"{label}{_unit([c for c in cells if c.column == column])}" for column, label in columns]
    print_table(("", *headings), lines, title=f"{table.id}: {table.title}")
    print(_legend({c.kind for c in cells}))
    for note in (*table.notes, *([table.source.support] if table.source.support else [])):
        print(f"  note: {note}")
    rows: dict[str, list[str]] = {}
    for label, note in dict.fromkeys((c.row_label, c.note) for c in cells if c.note):
        rows.setdefault(note, []).append(label)
    for note, labels in rows.items():
        print(f"  {'; '.join(labels)}: {note}")
    for claim in table.claims:
        print(f"  {claim.id} ({claim.kind}{f', over {claim.over}' if claim.over else ''}): {claim.text}")
    print()


def _printed(cell: Cell | None) -> str:
    if cell is None:
        return ""
    number = "unknown" if cell.published is None else f"{cell.published:.{cell.decimals}f}"
    return f"{number}{MARKS[cell.kind]}"


def _unit(column: Sequence[Cell]) -> str:
    """The printed unit of a column that is not all of mean IOUs."""
    units = {find_metric(cell.metric).unit for cell in column}
    return "" if len(units) > 1 or {cell.metric for cell in column} == {"miou"} else f" [{units.pop()}]"


def _legend(kinds: set[CellKind]) -> str:
    """What the marks beside the numbers mean."""
    return "  " + "; ".join(
        f"{LEGEND[kind]}{MARKS[kind] and f' ({MARKS[kind].strip()})'}" for kind in LEGEND if kind in kinds
    )


def _published_and_value(published: Any, value: Any) -> tuple[str, str]:
    """Both values for print; of two groups of settings only those that differ."""
    if isinstance(published, dict) and isinstance(value, dict):
        differ = [k for k in published if published[k] != value.get(k)]
        return _settings(published, differ), _settings(value, differ)
    return _cell_text(published), _cell_text(value)


def _cell_text(value: Any) -> str:
    return "none" if value is None else str(value)


def _settings(values: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {values.get(key)}" for key in keys)
