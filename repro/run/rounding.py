"""What does other rounding change? The same trainings once more, with two threads instead of one.

Two threads add in another order than one, as another processor's kernels do: the sums differ in their last bits, and
after some tens of steps so does everything. No record comes of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from repro.plan.plan import Plan
from repro.plan.work import Training
from repro.run import session
from repro.run.events import Event
from repro.run.job import Job
from repro.run.local import Outcome, run
from repro.run.order import Work
from repro.store.store import Store

THREADS = 2


def trainings(plan: Plan) -> list[Training]:
    """The trainings behind the first seed of a plan's cells, each once, after the one it starts from."""
    found: dict[str, Training] = {}
    for planned in plan.cells:
        for evaluation in [*planned.evaluations.values()][:1]:
            found.update({training.key: training for training in evaluation.training.chain()})
    return [*found.values()]


def repeat(
    wanted: Sequence[Training],
    store: Store,
    data_root: Path | None,
    weights: Path | None,
    workers: Sequence[str],
    listener: Callable[[Event], None],
    read: Callable[[Store], None],
) -> Outcome:
    """Run `wanted` (and no evaluation) with other rounding; `read` gets the store with them before it is removed."""
    with tempfile.TemporaryDirectory(prefix="rounding-", dir=store.root) as folder:
        aside = replace(store, root=Path(folder))
        work = [
            Work(one.key, Job(one, (), data_root, weights), one.parent.key if one.parent else None, 1.0)
            for one in wanted
        ]
        outcome = run(work, session.EXECUTE, aside, workers, listener, threads=THREADS)
        read(aside)
        return outcome
