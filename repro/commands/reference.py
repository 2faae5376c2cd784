"""`repro reference`: keep the scores of tables under several seeds, for runs that have one."""

from __future__ import annotations

from pathlib import Path

from repro.commands.output import print_json, print_line
from repro.judge.reference import encode, path_of
from repro.report.files import ready_folder, write_file
from repro.report.stored_reference import collected
from repro.run import session
from repro.run.session import Options
from repro.store.store import Store


def main(options: Options, out: Path, as_json: bool) -> None:
    """Write a file for each table; nothing where one of them is not complete."""
    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    references = [collected(plan, table.id, store) for table in plan.request.tables]
    rows = []
    for reference in references:
        path = path_of(out, reference.table, reference.scale)
        ready_folder(path.parent, "--out")
        write_file(path, encode(reference), "--out")
        print_line(f"{reference.table}: {len(reference.cells)} cells, {reference.source()}")
        print_line(f"  {path}")
        rows.append({"id": reference.table, "kind": "reference", "path": str(path), "seeds": list(reference.seeds)})
    if as_json:
        print_json(rows, scale=plan.request.scale)
