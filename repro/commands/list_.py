"""`repro list`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from repro.commands.output import print_json, print_table
from repro.errors import InputError
from repro.memo import Memo, default_folder
from repro.spec.cell import Basis, CellKind
from repro.spec.places import built_in, state

if TYPE_CHECKING:
    from repro.spec.claim import Claim
    from repro.spec.load import Suite
    from repro.spec.table import TableSpec

KINDS: tuple[CellKind, ...] = ("computed", "measured", "quoted")
BASES: tuple[Basis, ...] = get_args(Basis)


def main(tables_dir: Path | None, as_json: bool) -> None:
    """Print every table: id, aliases, title, number of cells of each kind, of claims by what decides them."""
    rows = _rows([tables_dir]) if tables_dir else _own_rows()
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
                ", ".join(f"{n} {basis}" for basis, n in row["claims"].items() if n),
                row["title"],
            )
            for row in rows
        ],
    )


def _own_rows() -> list[dict[str, Any]]:
    """The suite's own tables. Remembered until a spec changes: the first look at the suite shall be instant."""
    now, home = state(), built_in()[0]
    if now is None:
        return _rows(None)
    memo = Memo(default_folder() / "list.json", now)
    stat = home.stat()
    rows: list[dict[str, Any]] | None = memo.recall(home, stat)
    if rows is None:
        rows = _rows(None)
        memo.learn(home, stat, rows)
        memo.keep()
    return rows


def _rows(tables_dirs: list[Path] | None) -> list[dict[str, Any]]:
    from repro.spec.load import load_suite

    suite = load_suite(tables_dirs)
    rows: list[dict[str, Any]] = []
    for spec in suite.tables.values():
        kinds = Counter(cell.kind for cell in spec.cells())
        bases = Counter(_basis(suite, spec, claim) for claim in spec.claims)
        rows.append(
            {
                "id": spec.id,
                "aliases": list(spec.aliases),
                "title": spec.title,
                "cells": {kind: kinds[kind] for kind in KINDS},
                "claims": {name: bases[name] for name in BASES},
            }
        )
    return rows


def _basis(suite: Suite, spec: TableSpec, claim: Claim) -> Basis:
    """What decides a claim; its InputError names the file and the claim."""
    from repro.spec.questions import basis

    try:
        return basis(claim, suite.cells_of(claim, spec))
    except InputError as error:
        named = str(error) if claim.id in str(error) else f"claim {claim.id}: {error}"
        raise InputError(f"{spec.place}: {named}") from error
