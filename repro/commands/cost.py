"""`repro cost`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from repro.commands.output import print_json, print_line, print_table
from repro.plan.only import choose
from repro.run.computed import counted, value_of
from repro.spec.cell import Cell
from repro.spec.load import Suite, load_suite
from repro.spec.metric import find_metric
from repro.spec.resolve import resolve
from repro.spec.table import TableSpec

DECIMALS = 2
"""Of a value that the paper did not print."""
LEGEND = (
    "computed: multiply-adds by the rules of TensorFlow's profiler, as the papers count, over all scales and flips\n"
    "plain: those of the convolutions alone, without padding of atrous ones, element-wise operations and weights"
)


def main(
    names: Sequence[str], only: Sequence[str], overrides: Sequence[str], tables_dir: Path | None, as_json: bool
) -> None:
    """Print what the tables' networks cost, published beside computed; with `overrides`, what changed ones cost."""
    suite = load_suite([tables_dir] if tables_dir else None)
    tables = suite.select(names)
    chosen = choose(tables, only)
    rows = {table.id: list(_rows(suite, table, chosen[table.id], overrides)) for table in tables}
    if as_json:
        print_json([row for own in rows.values() for row in own], set=list(overrides))
        return
    for table in tables:
        if rows[table.id]:
            _print(table, rows[table.id], overrides)
        else:
            print_line(f"{table.id}: all of its numbers are quoted, there is no network of ours to count.")
    if any(rows.values()):
        print(LEGEND)


def _rows(suite: Suite, table: TableSpec, cells: Sequence[Cell], overrides: Sequence[str]) -> Iterable[dict[str, Any]]:
    """The computed cells; of a table without any, each measured cell's network."""
    computed = [cell for cell in cells if cell.kind == "computed"]
    for cell in computed or [cell for cell in cells if cell.kind == "measured"]:
        protocol = resolve(suite, table, cell.settings, "paper", None, overrides).protocol
        metric = cell.metric if cell.kind == "computed" else "multiply_adds"
        figures = counted(protocol)
        yield {
            "id": cell.id,
            "kind": "computed",
            "row": cell.row_label,
            "column": cell.column_label,
            "metric": metric,
            "unit": find_metric(metric).unit,
            "published": cell.published if cell.kind == "computed" else None,
            "value": value_of(metric, protocol),
            "decimals": cell.decimals if cell.kind == "computed" else DECIMALS,
            "plain_multiply_adds": figures.plain_multiply_adds,
            "parameters": figures.parameters,
            "field_of_view": figures.field_of_view,
            "settings": dict(cell.settings),
            "note": cell.note,
        }


def _print(table: TableSpec, rows: Sequence[dict[str, Any]], overrides: Sequence[str]) -> None:
    title = f"{table.id}: {table.title}"
    if overrides:
        title += f"\nwith {', '.join(overrides)} (published: without)"
    notes = {row["note"]: None for row in rows if row["note"] and not overrides and _state(row) == "differs"}
    print_table(
        ("", "", "unit", "published", "computed", "", "plain [B]", "parameters [M]"),
        [
            (
                row["row"],
                row["column"],
                row["unit"],
                _fixed(row["published"], row["decimals"]),
                _fixed(row["value"], row["decimals"]),
                "" if overrides else _state(row),
                _fixed(row["plain_multiply_adds"], 2),
                _fixed(row["parameters"], 2),
            )
            for row in rows
        ],
        title=title,
    )
    for note in notes:
        print(f"  note: {note}")
    print()


def _state(row: dict[str, Any]) -> str:
    """Whether a value is the printed one, at the printed decimals."""
    if row["published"] is None or row["value"] is None:
        return ""
    return "equal" if round(row["value"] - row["published"], row["decimals"]) == 0 else "differs"


def _fixed(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
