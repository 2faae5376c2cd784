"""`repro check`: run a small reproduction and hold it against a committed baseline; `--update` makes the baseline."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from repro.commands import check_frozen
from repro.commands.output import print_json, print_line, print_table
from repro.commands.run import compute
from repro.errors import EXIT_CELL_FAILED, EXIT_CHECK_FAILED, EXIT_INTERRUPTED, EXIT_OK, InputError
from repro.judge.baseline import Baseline, CellBaseline, differences, encode, kind_changes, path_of, read, same_bits
from repro.judge.drift import CheckedTable, check
from repro.plan.code import changed
from repro.plan.plan import Plan
from repro.regression import summary as frozen_summary
from repro.regression.baseline import FrozenTable
from repro.regression.compare import FrozenResult
from repro.regression.run import EXECUTE, Result
from repro.report.check_summary import HEADINGS, About, headline, json_rows, measure, moved_rows, summary, unfinished
from repro.report.files import ready_folder, try_folder, write_file
from repro.report.formats.junit import junit
from repro.report.formats.junit import unfinished as unfinished_junit
from repro.report.stored_baseline import first_step_losses, snapshot
from repro.run import rounding, session
from repro.run.computed import published_values
from repro.run.environment import environment
from repro.run.executors.order import Work
from repro.run.progress.events import Event, Failed, TrainingDone
from repro.run.session import Options
from repro.spec.keys import flat_of
from repro.spec.metric import find_metric
from repro.spec.protocol import Protocol
from repro.spec.table import TableSpec
from repro.store.store import Store, Stored

BASELINES = Path("reports/baselines")
UPDATE_SEEDS = 3
"""Seeds of a baseline unless asked otherwise: their spread over a table's cells is what other machines are allowed."""
LEAST_SEEDS = 2


@dataclass(frozen=True)
class CheckFiles:
    """Where a check reads and writes."""

    baselines: Path
    junit: Path | None = None
    markdown: Path | None = None


def main(options: Options, files: CheckFiles, device: str, jobs: int | None, update: bool, as_json: bool) -> int:
    """Check, or make the baselines; the exit code.

    Where that comes to no result, the files of an earlier check do not stand for this one: they say so.
    """
    began = time.monotonic()
    for path in (files.junit, files.markdown):
        with suppress(OSError):  # a folder, say, which is told when it is written to
            if path is not None:
                path.unlink()
    try:
        code = _main(options, files, device, jobs, update, as_json, began)
    except BaseException as error:
        _unfinished(files, str(error) or type(error).__name__, began)
        raise
    if code == EXIT_INTERRUPTED:
        _unfinished(files, "interrupted; the same command goes on from there", began)
    return code


def _unfinished(files: CheckFiles, reason: str, began: float) -> None:
    """Say in the files that there is no result, and why."""
    with suppress(InputError):  # why they can't be written is told already, or of no more weight than the reason
        if files.junit is not None:
            write(files.junit, unfinished_junit(reason, time.monotonic() - began))
        if files.markdown is not None:
            write(files.markdown, unfinished(reason).encode())


def _main(
    options: Options, files: CheckFiles, device: str, jobs: int | None, update: bool, as_json: bool, began: float
) -> int:
    suite = session.load(options)
    if update and options.only:
        raise InputError("--only: a baseline holds whole tables. Leave --only out with --update.")
    options = replace(options, seeds=options.seeds or (UPDATE_SEEDS if update else 1))
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    workers = session.devices(device, jobs)
    before = {} if update else _baselines(options, files, plan, store)
    steps = {
        table: observed for table, old in before.items() if (observed := _steps(options, files, table, old)) is not None
    }
    _ready(files, update)
    store.prepare()
    # with all trainings: their losses and weights are compared too
    work = session.work_of(plan, store, options.data_root, options.weights, whole=True)
    tasks = check_frozen.tasks_of(options, files.baselines, plan, steps)
    # in the same workers as trainings, the last in order: done where a worker would wait for a pre-training
    others = [Work(task.key, task, cost=0.0) for own in tasks.values() for task in own]
    seen: dict[str, Result] = {}
    executor = session.executor("local", store, device, jobs, 1, (), EXECUTE)
    code = compute(plan, work, store, executor, others, lambda done: seen.update({done.key: done.result}))
    if code == EXIT_INTERRUPTED:
        return code
    # only now: counting may build networks, and torch would have been in the way of the workers
    computed = {table.id: published_values(suite, table.cells()) for table in plan.request.tables}
    if update:
        if code != EXIT_OK:
            print_line("no baseline was written: cells failed.")
            return code
        return _update(options, files, plan, store, workers, computed, as_json)
    frozen = check_frozen.held(steps, tasks, seen)
    return _check(options, files, plan, store, before, computed, frozen, as_json, began)


def _steps(options: Options, files: CheckFiles, table: str, baseline: Baseline) -> FrozenTable | None:
    """What a baseline says of frozen weights."""
    remedy = f"Bring it back, or make it anew: {_update_command(options, files, table)}"
    return check_frozen.of_baseline(files.baselines, table, baseline, remedy)


def _ready(files: CheckFiles, update: bool) -> None:
    """InputError for a place that cannot be written to, before hours of work."""
    if update:
        try_folder(files.baselines, "--baselines")
    for path in (files.junit, files.markdown):
        if path is not None:
            try_folder(path.parent, "--junit and --markdown")


def _baselines(options: Options, files: CheckFiles, plan: Plan, store: Store) -> dict[str, Baseline]:
    """Table id -> baseline, of the same cells, protocol and data as the plan, and with its seeds; else InputError."""
    baselines = {}
    defaults = {key: list(value) if isinstance(value, tuple) else value for key, value in flat_of(Protocol()).items()}
    for table in plan.request.tables:
        path = path_of(files.baselines, table.id, plan.request.scale)
        remedy = f"Make one: {_update_command(options, files, table.id)}"
        baseline = read(path, remedy)
        planned = snapshot(plan, table.id, store, {})
        if baseline.table != table.id or baseline.scale != plan.request.scale:
            raise InputError(f"{path}: it is of {baseline.table} at {baseline.scale}. {remedy}")
        changes = differences(baseline, planned, defaults)
        if not options.only:
            gone = [cell.id for cell in baseline.cells if planned.cell(cell.id) is None]
            changes += [f"no longer in the table: {', '.join(gone)}"] if gone else []
        if changes:
            raise InputError(
                f"{path}: the baseline is of another protocol: {'; '.join(changes)}. Nothing was run. If the change is "
                f"meant, make it anew: {_update_command(options, files, table.id)}"
            )
        missing = [seed for seed in range(plan.request.seeds) if seed not in baseline.seeds]
        if missing and any(cell.kind == "measured" for cell in planned.cells):
            raise InputError(
                f"{path}: --seeds {plan.request.seeds}: the baseline has {len(baseline.seeds)}. Ask for as many, or "
                f"make it anew: {_update_command(options, files, table.id)} --seeds {plan.request.seeds}"
            )
        baselines[table.id] = baseline
    return baselines


def _check(
    options: Options,
    files: CheckFiles,
    plan: Plan,
    store: Store,
    before: Mapping[str, Baseline],
    computed: Mapping[str, Mapping[str, float]],
    frozen: Mapping[str, FrozenResult],
    as_json: bool,
    began: float,
) -> int:
    """Compare, tell, write; the exit code."""
    checked: list[tuple[CheckedTable, About]] = []
    for table in plan.request.tables:
        old, now = before[table.id], snapshot(plan, table.id, store, computed[table.id])
        _warn_of_old_results(table, now)
        measured = any(cell.kind == "measured" for cell in now.cells)
        if measured and now.kind and not same_bits(old.kind, now.kind) and len(old.seeds) < LEAST_SEEDS:
            changes = "; ".join(kind_changes(old.kind, now.kind))
            raise InputError(
                f"{path_of(files.baselines, table.id, old.scale)}: with one seed the baseline serves its own kind of "
                f"machine only ({changes}). Make it anew there with --update, or with more seeds."
            )
        failed = _failed(plan, table.id, store)
        kind = [] if same_bits(old.kind, now.kind) else kind_changes(old.kind, now.kind)
        modules = changed(old.code, now.code)
        about = About(kind, modules, old.made, old.commit, _update_command(options, files, table.id))
        checked.append((check(old, now, failed), about))
    _print_tables(checked, frozen)
    if files.junit is not None:
        suites = [suite for result in frozen.values() for suite in frozen_summary.suites(result)]
        write(files.junit, junit([table for table, _ in checked], time.monotonic() - began, suites))
    if files.markdown is not None:
        parts = {table: (result.passed, frozen_summary.blocks(result)) for table, result in frozen.items()}
        write(files.markdown, summary(checked, parts).encode())
    passed = all(table.passed for table, _ in checked) and all(result.passed for result in frozen.values())
    if as_json:
        rows = [row for table, _ in checked for row in json_rows(table)]
        more = frozen_summary.json_rows([*frozen.values()])
        print_json(rows, scale=plan.request.scale, seeds=plan.request.seeds, passed=passed, frozen=more)
    else:
        _print(checked, frozen)
    if any(table.count("failed") for table, _ in checked) or any(
        outcome.count("failed") for outcome in frozen.values()
    ):
        return EXIT_CELL_FAILED
    return EXIT_OK if passed else EXIT_CHECK_FAILED


def _failed(plan: Plan, table: str, store: Store) -> dict[str, str]:
    """Cell id -> why it has not all of its results."""
    reason_of = {}
    for planned in plan.of_table(table):
        for evaluation in planned.evaluations.values():
            wanted: list[tuple[Stored, str]] = [("training", training.key) for training in evaluation.training.chain()]
            wanted = [("evaluation", evaluation.key), *wanted]
            if any(store.peek(kind, key) is None for kind, key in wanted):
                reasons = [failure["reason"] for _, key in wanted for failure in store.failures(key)]
                reason_of[planned.cell.id] = str(reasons[-1]) if reasons else "it was not run"
    return reason_of


def _warn_of_old_results(table: TableSpec, now: Baseline) -> None:
    """Results that were stored before say nothing about the libraries that are installed now."""
    installed = environment()
    for package in ("torch", "numpy"):
        used = now.environment.get(package)
        if used is not None and used != str(installed[package]):
            print_line(
                f"{table.id}: stored results were computed with {package} {used}, {installed[package]} is installed. "
                "With a --store of its own they are computed anew."
            )


def _print_tables(checked: Sequence[tuple[CheckedTable, About]], frozen: Mapping[str, FrozenResult]) -> None:
    for table, about in checked:
        part = frozen.get(table.table)
        if part is not None:
            print_line(frozen_summary.headline(part))
        elif any(cell.kind == "measured" for cell in table.cells):
            print_line(
                f"{table.table}: its baseline has no frozen weights; end to end alone sees little on other machines."
            )
        print_line(headline(table))
        print_line(f"  {measure(table, about)}")
        moved = table.count("moved") or (part is not None and not part.passed)
        if moved and about.modules:
            print_line(f"  modules changed since the baseline: {', '.join(about.modules)}")
        if moved:
            print_line(f"  if this is meant: {about.update}")


def _print(checked: Sequence[tuple[CheckedTable, About]], frozen: Mapping[str, FrozenResult]) -> None:
    for table, _ in checked:
        if table.table in frozen and (places := frozen_summary.first_places(frozen[table.table])):
            print_table(frozen_summary.HEADINGS, places, title=f"{table.table}: what moved, from frozen weights")
            print()
        moved = moved_rows(table)
        if moved:
            print_table(HEADINGS, moved, title=f"{table.table}: what moved")
            print()


def _update(
    options: Options,
    files: CheckFiles,
    plan: Plan,
    store: Store,
    workers: Sequence[str],
    computed: Mapping[str, Mapping[str, float]],
    as_json: bool,
) -> int:
    """Make the baselines of what is stored, saying what changed."""
    rounded: dict[str, tuple[float, ...]] = {}
    if plan.trainings and workers[0] == "cpu":
        differences_ = _rounding(options, plan, store, workers)
        if differences_ is None:
            return EXIT_INTERRUPTED
        rounded = differences_
    rows = []
    for table in plan.request.tables:
        path = path_of(files.baselines, table.id, plan.request.scale)
        new = snapshot(plan, table.id, store, computed[table.id], rounded, _commit())
        steps = check_frozen.update(options, files.baselines, plan, table.id, store, len(workers))
        new = new.model_copy(update={"steps": steps})
        change = _change(path, new)
        ready_folder(path.parent, "--baselines")
        write_file(path, encode(new), "--baselines")
        print_line(f"{table.id}: {change}")
        print_line(f"  {path}")
        rows.append({"id": table.id, "kind": "baseline", "path": str(path), "change": change})
        if any(cell.kind == "measured" for cell in new.cells) and len(new.seeds) < LEAST_SEEDS:
            print_line("  with one seed it serves this kind of machine only; --seeds 3 lets others check as well")
    if as_json:
        print_json(rows, scale=plan.request.scale, seeds=plan.request.seeds)
    return EXIT_OK


def _commit() -> str | None:
    facts = environment()
    return f"{facts['commit']} with changes" if facts["commit"] and facts["modified"] else facts["commit"]


def _change(path: Path, new: Baseline) -> str:
    """What is new about a baseline, in words."""
    if not path.exists():
        return f"first baseline, {len(new.cells)} cells"
    try:
        old = read(path, "")
    except InputError as error:
        return f"replaces a file that could not be read ({error})"
    changes = differences(old, new, {})
    if changes:
        return f"another protocol: {'; '.join(changes)}"
    if [cell.id for cell in old.cells] != [cell.id for cell in new.cells]:
        return "other cells"
    same = sum(a.seeds == b.seeds and a.value == b.value for a, b in zip(old.cells, new.cells, strict=True))
    if same == len(new.cells):
        return "every cell as before"
    moved: dict[str, float] = {}
    for a, b in zip(old.cells, new.cells, strict=True):
        if a.seeds and b.seeds:
            metric = find_metric(b.metric)
            change = metric.factor * abs(mean_of(b) - mean_of(a))
            moved[metric.difference_unit] = max(moved.get(metric.difference_unit, 0.0), change)
    largest = "".join(f", scores by at most {change:.3f} {unit}".rstrip() for unit, change in moved.items())
    return f"{len(new.cells) - same} of {len(new.cells)} cells changed{largest}"


def mean_of(cell: CellBaseline) -> float:
    """Mean score over a cell's seeds."""
    return sum(result.score for result in cell.seeds.values()) / len(cell.seeds)


def _rounding(
    options: Options, plan: Plan, store: Store, workers: Sequence[str]
) -> dict[str, tuple[float, ...]] | None:
    """Cell id -> what other rounding changes in the first-step losses of its first seed; None where interrupted."""
    last = rounding.shortened(plan)
    wanted = rounding.chains(last)
    print_line(f"once more with other rounding: {len(wanted)} trainings")
    differences_: dict[str, tuple[float, ...]] = {}
    done = [0]

    def listener(event: Event) -> None:
        if isinstance(event, TrainingDone):
            done[0] += 1
            print_line(f"[{done[0]}/{len(wanted)}] other rounding")
        elif isinstance(event, Failed):
            print_line(f"failed: {event.reason}")

    def compare(other: Store) -> None:
        for planned in plan.cells:
            if planned.cell.id not in last:
                continue
            own = next(iter(planned.evaluations.values())).training
            first, second = first_step_losses(own, store), first_step_losses(last[planned.cell.id], other)
            if first is not None and second is not None:
                differences_[planned.cell.id] = tuple(b - a for a, b in zip(first, second, strict=True))

    outcome = rounding.repeat(wanted, store, options.data_root, options.weights, [*workers], listener, compare)
    return None if outcome.interrupted else differences_


def _update_command(options: Options, files: CheckFiles, table: str) -> str:
    parts = ["python", "-m", "repro", "check", table, "--scale", options.scale or "smoke", "--update"]
    for name, value in (
        ("--data", options.data_root),
        ("--weights", options.weights),
        ("--tables", options.tables_dir),
    ):
        parts += [name, str(value)] if value else []
    if files.baselines != BASELINES:
        parts += ["--baselines", str(files.baselines)]
    return shlex.join(parts)


def write(path: Path, data: bytes) -> None:
    """Write a summary where the user asked for it."""
    ready_folder(path.parent, "--junit and --markdown")
    write_file(path, data, "--junit and --markdown")
