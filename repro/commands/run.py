"""`repro run`: do what the store lacks, then report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.output import print_line
from repro.commands.report import Pages, write
from repro.errors import EXIT_CELL_FAILED, EXIT_INTERRUPTED, EXIT_OK, InputError
from repro.plan.caveats import caveats
from repro.plan.plan import Plan
from repro.report.files import try_folder
from repro.report.stored_reference import of_one_seed
from repro.run import session
from repro.run.executors.order import Work
from repro.run.job import ExecutionOptions
from repro.run.memory import memory_limit, too_large
from repro.run.progress.display import show_progress
from repro.run.progress.events import Computed, Event, Failed, Stopped, Waiting
from repro.run.progress.state import Progress
from repro.run.progress.table_view import TableView, table_view
from repro.run.session import Options
from repro.spec.bounds import PROCESSES, check_count
from repro.store.record import recorded
from repro.store.short_of_memory import in_micro_batches
from repro.store.store import Store

if TYPE_CHECKING:
    from repro.run.executors.loop import Executor

PAGES = Pages(("md", "html"))


@dataclass(frozen=True)
class ExecutorChoice:
    """Where trainings run: an executor's name, its device, how many at a time, options for Slurm."""

    executor: str = "local"
    device: str = "auto"
    jobs: int | None = None
    slurm: tuple[str, ...] = ()


def main(options: Options, out: Path, place: ExecutorChoice, execution: ExecutionOptions, as_json: bool) -> int:
    """Run and report; the exit code."""
    check(execution)
    suite = session.load(options)
    store = Store(options.store)
    plan = session.make_plan(options, suite, store)
    work = session.work_of(plan, store, options.data_root, options.weights, execution, trained=options.trained)
    try_folder(out)  # a folder that cannot be written to is told now, not after hours
    executor = session.executor(place.executor, store, place.device, place.jobs, execution.processes, place.slurm)
    store.prepare()  # not before all is known to be right: a slip leaves no folder behind
    if work and not options.scale:
        print_line(f"scale {plan.request.scale}: {suite.scale(plan.request.scale).description} (--scale changes it)")
    if work and (unjudged := plan.unjudged()):
        print_line(unjudged)
    for line in caveats(suite, plan):
        print_line(line)
    for line in session.repeated_images(work, options.data_root):
        print_line(line)
    if work and executor.local_device is not None:
        check_memory(plan, store, executor.local_device, execution.processes)
    if known := of_one_seed(plan):
        print_line(known)
    code = compute(plan, work, store, executor)
    tried = {item.key for item in work}
    while (
        code == EXIT_CELL_FAILED and (parted := in_micro_batches(plan, store)).trainings.keys() != plan.trainings.keys()
    ):
        print_line("memory was short: going on in micro-batches, which reports list as departures")
        plan = parted
        work = session.work_of(plan, store, options.data_root, options.weights, execution, trained=options.trained)
        left = [item for item in work if item.key not in tried]
        tried |= {item.key for item in left}
        code = compute(plan, left, store, executor)
        if code == EXIT_OK and any(session.missing(plan, store)):
            code = EXIT_CELL_FAILED  # what failed before for other reasons
    if code != EXIT_INTERRUPTED:
        code = write(options, suite, plan, store, out, PAGES, as_json, stale_only=True) or code
    return code


def check_memory(plan: Plan, store: Store, device: str, processes: int) -> None:
    """InputError for what cannot fit into main memory; a word where it cannot fit into a GPU's."""
    there = memory_limit(device)
    trainings, evaluations = session.missing(plan, store)
    message = too_large(trainings.values(), evaluations.values(), plan, there, processes) if there else ""
    if message and device == "cpu":
        raise InputError(message)
    if message:
        print_line(message)


def check(execution: ExecutionOptions) -> None:
    """InputError for what cannot be."""
    check_count("--gpus-per-training", execution.processes, 1, PROCESSES)
    if execution.tensorboard is not None:
        from repro.run.tensorboard import check_tensorboard

        check_tensorboard()


def compute(
    plan: Plan,
    work: Sequence[Work],
    store: Store,
    executor: Executor,
    others: Sequence[Work] = (),
    take: Callable[[Computed], None] = lambda _done: None,
) -> int:
    """Do the work that the store lacks of a plan, with its progress on stderr; the exit code.

    `others` are jobs that train nothing, done in between; `take` gets what they come to, of one that failed the reason.
    """
    if not work and not others:
        return EXIT_OK
    from repro.run.executors import loop

    costs = {item.key: item.cost for item in work}
    progress = Progress(table_views(plan), costs, min(executor.slots(), len(work) or 1), known(plan, store))
    other_keys = {item.key for item in others}
    with show_progress(progress) as listener:

        def pass_on(event: Event) -> None:
            if isinstance(event, Computed):
                take(event)
            elif not isinstance(event, Failed | Stopped | Waiting) or event.key not in other_keys:
                listener(event)
            elif isinstance(event, Failed):
                take(Computed(event.key, event.reason))

        outcome = loop.run([*work, *others], executor, pass_on)
    failed = {key: reason for key, reason in outcome.failed.items() if key not in other_keys}
    for key, reason in failed.items():
        print_line(f"failed: {progress.label(key)}: {reason}")
    if outcome.interrupted:
        left = sum(key in costs for key in outcome.left)
        print_line(f"stopped; {left} trainings are left. The same command goes on from here.")
        return EXIT_INTERRUPTED
    return EXIT_CELL_FAILED if failed or progress.failed else EXIT_OK


def known(plan: Plan, store: Store) -> dict[str, Mapping[str, float]]:
    """Evaluation key -> metrics of what is stored."""
    records = {key: store.peek("evaluation", key) for key in plan.evaluations}
    return {key: recorded(record) for key, record in records.items() if record is not None}


def table_views(plan: Plan) -> tuple[TableView, ...]:
    """The tables as the live view shows them."""
    return tuple(table_view(f"{table.id}: {table.title}", plan.of_table(table.id)) for table in plan.request.tables)
