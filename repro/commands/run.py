"""`repro run`: do what the store lacks, then report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands.output import say
from repro.commands.report import write
from repro.errors import EXIT_CELL_FAILED, EXIT_INTERRUPTED, EXIT_OK
from repro.plan.plan import Plan
from repro.run import session
from repro.run.board import Board, board
from repro.run.order import Work
from repro.run.progress import Progress
from repro.run.session import Options
from repro.run.view import watch
from repro.store.store import Store

if TYPE_CHECKING:
    from repro.report.write import Format

FORMATS: tuple[Format, ...] = ("md", "html")


def main(options: Options, out: Path, device: str, jobs: int | None, as_json: bool) -> int:
    """Run and report; the exit code."""
    suite = session.load(options)
    store = Store(options.store)
    store.prepare()
    plan = session.make_plan(options, suite, store)
    workers = session.devices(device, jobs)
    work = session.work_of(plan, store, options.data_root, options.weights)
    if work and not options.scale:
        say(f"scale {plan.request.scale}: {suite.scale(plan.request.scale).description} (--scale changes it)")
    code = compute(plan, work, store, workers)
    if code != EXIT_INTERRUPTED:
        write(options, suite, plan, store, out, FORMATS, as_json, stale_only=True)
    return code


def compute(plan: Plan, work: Sequence[Work], store: Store, workers: Sequence[str]) -> int:
    """Do the work that the store lacks of a plan, with its progress on stderr; the exit code."""
    if not work:
        return EXIT_OK
    costs = {one.key: one.cost for one in work}
    progress = Progress(boards(plan), costs, min(len(workers), len(work)), known(plan, store))
    with watch(progress) as listener:
        outcome = session.execute(work, store, workers, listener)
    for key, reason in outcome.failed.items():
        say(f"failed: {progress.label(key)}: {reason}")
    if outcome.interrupted:
        say(f"stopped; {len(outcome.left)} trainings are left. The same command goes on from here.")
        return EXIT_INTERRUPTED
    return EXIT_CELL_FAILED if outcome.failed or progress.failed else EXIT_OK


def known(plan: Plan, store: Store) -> dict[str, float]:
    """Evaluation key -> mean IOU of what is stored."""
    found = {key: store.peek("evaluation", key) for key in plan.evaluations}
    return {key: float(record["result"]["miou"]) for key, record in found.items() if record is not None}


def boards(plan: Plan) -> tuple[Board, ...]:
    """The tables as the live view shows them."""
    return tuple(board(f"{table.id}: {table.title}", plan.of_table(table.id)) for table in plan.request.tables)
