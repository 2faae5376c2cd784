"""What a worker of a check executes: jobs of a run, and probes, one after another in the same process."""

from __future__ import annotations

from collections.abc import Callable

# with torch, before the first job: a worker says that it is ready once it has imported what it needs
from repro.regression import observe as observe
from repro.regression.run import ObserveTask, work
from repro.run import execute as jobs
from repro.run.job import Job
from repro.run.progress.events import Computed, Event
from repro.store.store import Store


def execute(
    job: Job | ObserveTask, store: Store, device: str, emit: Callable[[Event], None], should_stop: Callable[[], bool]
) -> None:
    """Do a job as a run does, or a probe, whose result is told as `Computed`."""
    if isinstance(job, ObserveTask):
        emit(Computed(job.key, work(job, store)))
    else:
        jobs.execute(job, store, device, emit, should_stop)
