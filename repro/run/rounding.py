"""What does other rounding change? The same trainings once more, with other kernels.

Without fused multiplication and addition every sum differs in its last bits, as on another processor, and after some
tens of steps so does everything. Where kernels can't be chosen (ARM), two threads add in another order than one. No
record comes of it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from repro.plan.plan import Plan
from repro.plan.work import Training
from repro.run import session
from repro.run.executors import loop
from repro.run.executors.job_queue import Outcome
from repro.run.executors.local import LocalExecutor
from repro.run.executors.order import Work
from repro.run.job import Job
from repro.run.progress.events import Event
from repro.store.store import Store

OTHER_KERNELS = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41"}


def shortened(plan: Plan) -> dict[str, Training]:
    """Cell id -> the training of its first seed, cut to its first step: all that its first-step loss takes.

    Trainings that others start from are left whole.
    """
    firsts = {
        planned.cell.id: next(iter(planned.evaluations.values())).training
        for planned in plan.cells
        if planned.evaluations
    }
    parents = {training.key for last in firsts.values() for training in last.chain()[:-1]}
    return {
        cell: last
        if last.key in parents
        else replace(last, settings=last.settings.model_copy(update={"iterations": 1}))
        for cell, last in firsts.items()
    }


def chains(trainings: Mapping[str, Training]) -> list[Training]:
    """These trainings with those they start from, each once, after the one it starts from."""
    return [*{training.key: training for last in trainings.values() for training in last.chain()}.values()]


def repeat(
    wanted: list[Training],
    store: Store,
    data_root: Path | None,
    weights: Path | None,
    workers: list[str],
    listener: Callable[[Event], None],
    read: Callable[[Store], None],
) -> Outcome:
    """Run `wanted` (and no evaluation) with other rounding; `read` gets the store with them before it is removed."""
    # what a kill leaves there is cleared away by the next run
    with store.temporary_folder("rounding") as folder:
        temporary = replace(store, root=folder)
        work = [
            Work(
                training.key,
                Job(training, (), data_root, weights),
                training.parent.key if training.parent else None,
                1.0,
            )
            for training in wanted
        ]
        chosen = platform.machine().lower() in ("x86_64", "amd64")
        with environment_variables(OTHER_KERNELS if chosen else {}):
            executor = LocalExecutor(session.EXECUTE, temporary, workers, threads=1 if chosen else 2)
            outcome = loop.run(work, executor, listener)
        read(temporary)
        return outcome


@contextmanager
def environment_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
