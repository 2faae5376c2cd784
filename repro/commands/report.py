"""`repro report`, and the last part of `repro run`."""

from __future__ import annotations

import shlex
from pathlib import Path

from repro.commands.output import print_json, say
from repro.plan.plan import Plan
from repro.run import session
from repro.run.session import Options
from repro.spec.load import Suite
from repro.store.store import Store


def main(options: Options, out: Path, formats: str, as_json: bool) -> None:
    """Write reports of what is stored."""
    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    write(options, suite, plan, store, out, tuple(f.strip() for f in formats.split(",") if f.strip()), as_json)


def write(
    options: Options, suite: Suite, plan: Plan, store: Store, out: Path, formats: tuple[str, ...], as_json: bool
) -> None:
    """Write a report per table of the plan and the index over them; print paths, or rows with --json."""
    from repro.report.assemble import assemble
    from repro.report.frames import cell_rows
    from repro.report.write import write_index, write_report

    rows, contents = [], []
    for table in plan.request.tables:
        content = assemble(
            suite, plan, table, store, command=command(options, table.id, full=True), rerun=command(options, table.id)
        )
        contents.append(content)
        paths = write_report(content, out, formats)
        rows += cell_rows(content)
        say(f"{table.id}: {content.headline}")
        for path in paths:
            say(f"  {path}")
    if "html" in formats and len(contents) > 1:
        say(f"  {write_index(contents, out)}")
    if as_json:
        print_json(rows, scale=plan.request.scale, seeds=plan.request.seeds)


def command(options: Options, table: str, *, full: bool = False) -> str:
    """The command that measures a table with these options; `full` with --only and --seeds."""
    words = ["python", "-m", "repro", "run", table]
    if options.scale:
        words += ["--scale", options.scale]
    if options.dataset:
        words += ["--dataset", options.dataset]
    if options.data_root:
        words += ["--data", str(options.data_root)]
    if options.tables_dir:
        words += ["--tables", str(options.tables_dir)]
    for assignment in options.overrides:
        words += ["--set", assignment]
    if full:
        for only in options.only:
            words += ["--only", only]
        if options.seeds:
            words += ["--seeds", str(options.seeds)]
    return shlex.join(words)
