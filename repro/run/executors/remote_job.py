"""A job's part on a machine of a cluster: its code checked, its events kept until they are asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

from repro.errors import InputError
from repro.plan.chain import with_network
from repro.plan.code import changed, closure, path_of
from repro.run.executors.worker import End, load, work_on
from repro.run.job import Job
from repro.run.progress.events import Event, Message
from repro.store.store import Store


def work_here(
    data: bytes,
    execute: str,
    store: Store,
    device: str,
    threads: int,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> End:
    """Execute a pickled (key, job) with the function named `execute`, in this process."""
    job = pickle.loads(data)[1]
    if isinstance(job, Job) and (differ := other_code(job)):
        shown = ", ".join(differ[:3]) + (", ..." if len(differ) > 3 else "")
        return End(
            "wrong_input",
            f"the cluster's machines have other code of this suite than this one: {shown} differ. Install the same "
            "version everywhere.",
        )
    own = replace(store, warn=lambda text: emit(Message(text)))
    return work_on(data, load(execute, threads), own, device, emit, should_stop)


def other_code(job: Job) -> list[str]:
    """Modules whose content here is not what the job's key was made of."""
    expected = dict(job.training.code.modules)
    entries = [name for name in expected if path_of(name) is not None]
    if not entries:
        return sorted(expected)
    try:
        here = with_network(closure(entries), job.training.model)
    except InputError:  # the user's module is not on this machine
        here = closure(entries)
    return changed(expected, dict(here.modules))
