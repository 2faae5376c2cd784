"""`repro report`, and the last part of `repro run`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import repro
from repro.commands.output import print_json, say
from repro.plan.plan import Plan
from repro.run import session
from repro.run.computed import cells_for, published_values
from repro.run.session import Options
from repro.spec.load import Suite
from repro.store.other_code import with_any_code
from repro.store.store import Store

if TYPE_CHECKING:
    from repro.report.write import Format


def main(options: Options, out: Path, formats: str, as_json: bool) -> None:
    """Write reports of what is stored."""
    from repro.report.write import parse_formats

    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    write(options, suite, plan, store, out, parse_formats(formats), as_json)
    _tell_of_other_code(options, plan, store)


def _tell_of_other_code(options: Options, plan: Plan, store: Store) -> None:
    """What is not reported as the code has changed since is still there."""
    if options.any_code or not session.missing(plan, store)[1]:
        return
    others = with_any_code(plan, store).evaluations.keys() - plan.evaluations.keys()
    count = sum(store.peek("evaluation", key) is not None for key in others)
    if count:
        say(
            f"{count} of the evaluations that are missing here are stored by another version of the code, all else "
            "the same: --any-code reports them, `repro plan` says what has changed."
        )


def write(
    options: Options,
    suite: Suite,
    plan: Plan,
    store: Store,
    out: Path,
    formats: tuple[Format, ...],
    as_json: bool,
    stale_only: bool = False,
) -> None:
    """Write a report per table of the plan and the index over them; print paths, or rows with --json.

    With `stale_only` reports that nothing has changed for are left as they are.
    """
    from repro.report.fresh import Notes, digest

    notes = Notes(out)
    tables = [table for table in plan.request.tables if plan.of_table(table.id)]
    for table in plan.request.tables:
        if table not in tables:
            say(f"{table.id}: --only leaves none of its cells, so no report was written")
    commands = {table.id: command(options, table.id, full=True) for table in tables}
    made_from = {table.id: digest(plan, table, store, __name__, [*formats, commands[table.id]]) for table in tables}
    stale = [table for table in tables if as_json or not stale_only or not notes.fresh(table.id, made_from[table.id])]
    for table in tables:
        if table not in stale:
            there = ", ".join(str(path) for path in notes.fresh(table.id, made_from[table.id]))
            say(f"{table.id}: everything is stored, and the report is up to date: {there}")
    if not stale and (out / "index.html").exists():
        return
    from repro.report.assemble import assemble
    from repro.report.frames import cell_rows
    from repro.report.index import unreported, write_index
    from repro.report.numbers import factor
    from repro.report.write import write_report

    rows = []
    for table in stale:
        content = assemble(
            suite,
            plan,
            table,
            store,
            command=commands[table.id],
            rerun=command(options, table.id),
            computed=published_values(suite, cells_for(suite, [table])),
        )
        paths = write_report(content, out, formats)
        notes.note(table.id, made_from[table.id], paths)
        factors = {result.cell.id: factor(result.cell) for result in content.cells}
        rows += [_in_printed_unit(row, factors[row["id"]]) for row in cell_rows(content)]
        say(f"{table.id}: {content.headline}")
        for path in paths:
            say(f"  {path}")
    if "html" in formats:
        known = [unreported(table) for table in suite.tables.values()]
        for path in write_index(out, known, repro.__version__):
            say(f"  {path}")
    notes.keep()
    if as_json:
        print_json(rows, scale=plan.request.scale, seeds=plan.request.seeds)


def _in_printed_unit(row: dict[str, Any], times: float) -> dict[str, Any]:
    """A cell's row with its value in the unit of `published`: per cent for a mean IOU."""
    ours = {k: row[k] * times for k in ("value", "low", "high", "standard_error") if row[k] is not None}
    return {**row, **ours}


def command(options: Options, table: str, *, full: bool = False) -> str:
    """The command that measures a table with these options; `full` with --only and --seeds."""
    words = ["python", "-m", "repro", "run", table]
    if options.scale:
        words += ["--scale", options.scale]
    if options.dataset:
        words += ["--dataset", options.dataset]
    if options.data_root:
        words += ["--data", str(options.data_root)]
    if options.weights:
        words += ["--weights", str(options.weights)]
    if options.store != Options(()).store:
        words += ["--store", str(options.store)]  # elsewhere everything would be computed again
    if options.tables_dir:
        words += ["--tables", str(options.tables_dir)]
    for assignment in options.overrides:
        words += ["--set", assignment]
    if full:
        for only in options.only:
            words += ["--only", only]
        if options.seeds:
            words += ["--seeds", str(options.seeds)]
        if options.any_code:
            words += ["--any-code"]
    return shlex.join(words)
