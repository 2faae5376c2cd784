"""`repro report`, and the last part of `repro run`."""

from __future__ import annotations

import shlex
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import repro
from repro.commands.output import portable, print_json, print_line
from repro.errors import EXIT_FAULT, EXIT_OK, InputError
from repro.plan.plan import Plan
from repro.report.files import ready_folder, report_name, try_folder
from repro.run import pretrained_weights, session
from repro.run.computed import cells_for, published_values
from repro.run.session import Options
from repro.spec.load import Suite
from repro.store.other_code import with_any_code
from repro.store.store import Store

if TYPE_CHECKING:
    from repro.report.formats.write import ReportFormat


@dataclass(frozen=True)
class Pages:
    """What is written of each table."""

    formats: tuple[ReportFormat, ...]
    ours_only: bool = False
    """Whether tables alone leave the published numbers out."""
    figures: Path | None = None
    """Folder of the charts as files; None: none."""


def main(
    options: Options, out: Path, formats: str, as_json: bool, ours_only: bool = False, figures: Path | None = None
) -> int:
    """Write reports of what is stored; the exit code."""
    from repro.report.formats.write import check_ours_only, parse_formats

    pages = Pages(parse_formats(formats), ours_only, figures)
    check_ours_only(ours_only, pages.formats)
    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    if figures is not None:
        try_folder(figures, "--figures")
    code = write(options, suite, plan, store, out, pages, as_json)
    _tell_of_other_code(options, plan, store)
    return code


def _tell_of_other_code(options: Options, plan: Plan, store: Store) -> None:
    """What is not reported as the code has changed since is still there."""
    if options.any_code or not session.missing(plan, store)[1]:
        return
    others = with_any_code(plan, store).evaluations.keys() - plan.evaluations.keys()
    count = sum(store.peek("evaluation", key) is not None for key in others)
    if count:
        print_line(
            f"{count} of the evaluations that are missing here are stored by another version of the code, all else "
            "the same: --any-code reports them, `repro plan` says what has changed."
        )


def write(
    options: Options,
    suite: Suite,
    plan: Plan,
    store: Store,
    out: Path,
    pages: Pages,
    as_json: bool,
    stale_only: bool = False,
) -> int:
    """Write a report per table of the plan and the index over them; print paths, or rows with --json; the exit code.

    With `stale_only` reports that nothing has changed for are left as they are. A report that cannot be made is told,
    and does not keep the others from being written.
    """
    from repro.report.stored_reference import stamp
    from repro.report.up_to_date import ReportNotes, digest

    notes = ReportNotes(out)
    tables = [table for table in plan.request.tables if plan.of_table(table.id)]
    for table in plan.request.tables:
        if table not in tables:
            print_line(f"{table.id}: --only leaves none of its cells, so no report was written")
    choices = (options.dataset, options.only, (*options.overrides, *options.sweeps))
    names = {table.id: report_name(table.id, plan.request.scale, *choices) for table in tables}
    commands = {table.id: command(options, table.id) for table in tables}
    references = stamp(plan)
    made_from = {
        table.id: digest(plan, table, store, __name__, [*pages.formats, commands[table.id], references])
        for table in tables
    }
    there = {table.id: notes.fresh(names[table.id], made_from[table.id]) for table in tables}
    stale = [table for table in tables if as_json or not stale_only or not there[table.id]]
    for table in tables:
        if table not in stale:
            paths = ", ".join(str(path) for path in there[table.id])
            print_line(f"{table.id}: everything is stored, and the report is up to date: {paths}")
    if not stale and (out / "index.html").exists():
        return EXIT_OK
    from repro.report.assemble import CLAIM_SEEDS, assemble
    from repro.report.formats.frames import cell_rows
    from repro.report.formats.index_page import unreported, write_index
    from repro.report.formats.write import write_report
    from repro.report.sentences import first_sentences

    ready_folder(out)  # told once
    rows = []
    code, wrong = EXIT_OK, list[InputError]()
    for table in stale:
        try:
            content = assemble(
                suite,
                plan,
                table,
                store,
                command=commands[table.id],
                one_cell=command(options, table.id, cell=True),
                more_seeds=command(options, table.id, seeds=CLAIM_SEEDS),
                computed=published_values(suite, cells_for(suite, [table])),
            )
            content = replace(content, name=names[table.id], asked=_choices(options))
            written = write_report(content, out, pages.formats, pages.ours_only)
            if pages.figures is not None:
                from repro.report.formats.figures import write_figures

                drawn = write_figures(content, names[table.id], pages.figures)
        except InputError as error:  # a folder in the place of one page, say: the others are written first
            print_line(f"{table.id}: no report: {error}")
            wrong.append(error)
            continue
        except Exception as error:  # whatever is wrong with one table's page: results are stored, other pages wait
            print_line(_no_report(table.id, error))
            code = EXIT_FAULT
            continue
        notes.note(names[table.id], made_from[table.id], written)
        rows += cell_rows(content)
        for sentence in first_sentences(content):
            print_line(f"{table.id}: {sentence}")
        for remark in content.remarks:
            print_line(f"  remark: {remark}")
        for path in written:
            print_line(f"  {path}")
        if pages.figures is not None:
            print_line(f"  {len(drawn)} files of figures in {pages.figures}")
    if "html" in pages.formats and len(wrong) < len(stale):
        known = [unreported(table) for table in suite.tables.values()]
        for path in write_index(out, known, repro.__version__):
            print_line(f"  {path}")
    notes.keep()
    if wrong:
        raise wrong[0]
    if as_json:
        print_json(rows, scale=plan.request.scale, seeds=plan.request.seeds)
    return code


def _choices(options: Options) -> tuple[str, ...]:
    """What makes a report one of several of its table, as options."""
    choices = [f"--dataset {Path(options.dataset).name}"] if options.dataset else []
    groups = (("--only", options.only), ("--set", options.overrides), ("--sweep", options.sweeps))
    return (*choices, *(f"{option} {text}" for option, texts in groups for text in texts))


def _no_report(table: str, error: Exception) -> str:
    """That a page could not be made: a fault of this suite's own, told with its place."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}, line {last.lineno}"
    return (
        f"{table}: no report: {type(error).__name__}: {error} ({place}). This is a fault of repro; what was measured "
        "is stored, and other reports are written."
    )


def command(options: Options, table: str, *, cell: bool = False, seeds: int | None = None) -> str:
    """The command that measures a table with these options, all of them; with so many `seeds`.

    `cell`: without --only, to which that of a single cell is added. It stands in pages that are shared: folders of this
    machine alone are not in it.
    """
    parts = ["python", "-m", "repro", "run", shlex.quote(table)]
    if options.scale:
        parts += ["--scale", options.scale]
    if options.dataset:
        parts += ["--dataset", shlex.quote(options.dataset)]
    if options.data_root:
        parts += portable("--data", options.data_root)
    if options.weights:
        known = options.weights == pretrained_weights.folder()
        parts += ["--weights", pretrained_weights.HUB] if known else portable("--weights", options.weights)
    if options.trained:
        parts += portable("--weights-trained", options.trained)
    if options.store != Options(()).store:
        parts += portable("--store", options.store)  # elsewhere everything would be computed again
    if options.tables_dir:
        parts += portable("--tables", options.tables_dir)
    for assignment in options.overrides:
        parts += ["--set", shlex.quote(assignment)]
    for sweep in options.sweeps:
        parts += ["--sweep", shlex.quote(sweep)]
    for only in () if cell else options.only:
        parts += ["--only", shlex.quote(only)]
    if seeds or options.seeds:
        parts += ["--seeds", str(seeds or options.seeds)]
    if options.any_code:
        parts += ["--any-code"]
    for option, value in options.how:
        parts += portable(option, value) if isinstance(value, Path) else [option, shlex.quote(value)]
    return " ".join(parts)
