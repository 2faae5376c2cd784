"""Jobs on a Slurm cluster, through submitit: one Slurm job for each, which waits for the one it starts from.

All are submitted at once and Slurm keeps their order, so they go on when the program that submitted them ends. They
tell of their progress in files beside the store's records:

    <store>/slurm/<key>-<random>/events.txt   an event a line
                                 end.pickle   how the job ended
                                 stop         the wish to stop
                                 log/         submitit's scripts, outputs and results; kept where the job failed
"""

from __future__ import annotations

import base64
import os
import pickle
import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import InputError, did_you_mean
from repro.files import write
from repro.run.executors.loop import Executor, JobHandle, Lost
from repro.run.executors.remote_job import work_here
from repro.run.executors.slurm_queue import OVER, SlurmJobState, SlurmQueue, has_gpus
from repro.run.executors.worker import End
from repro.run.progress.events import Event, Message
from repro.store.store import Store

MINUTES = 24 * 60
CPUS_PER_GPU = 4
"""One trains; the others decode images, and run what GPUs need."""
_REQUEUES = 10_000
"""How often a job whose time is up is queued again: submitit's three are few for a month of training."""
_LOOK_SECONDS = 1.0
_ROOM = 1000


@dataclass(frozen=True)
class SlurmJob:
    """What submitit calls on the cluster's machine."""

    data: bytes
    execute: str
    store: Store
    device: str
    threads: int
    folder: Path

    def __call__(self) -> None:
        looked = [0.0, False]

        def should_stop() -> bool:
            now = time.monotonic()
            if now - looked[0] > _LOOK_SECONDS:  # the folder is on a network
                looked[:] = now, (self.folder / "stop").exists()
            return bool(looked[1])

        with (self.folder / "events.txt").open("ab", buffering=0) as file:

            def append_event(event: Event) -> None:
                file.write(base64.b64encode(pickle.dumps(event)) + b"\n")

            end = work_here(self.data, self.execute, self.store, self.device, self.threads, append_event, should_stop)
        write(self.folder / "end.pickle", pickle.dumps(end))
        if end.how != "done":
            raise NotDoneError(end.how)  # Slurm must not begin what waits for this job

    def checkpoint(self) -> Any:
        """Asked for by submitit when the job's time is up or its place is taken: submit it again.

        The training goes on from its last checkpoint.
        """
        return imported().core.utils.DelayedSubmission(self)


class NotDoneError(Exception):
    """The job ended otherwise than well; its end is on disk."""


class SlurmJobHandle:
    """A job in Slurm's queue or on one of its machines; `queue` is None where submitit runs it on this machine."""

    def __init__(
        self, submitted: Any, folder: Path, queue: SlurmQueue | None = None, after: SlurmJobHandle | None = None
    ) -> None:
        self.submitted, self._folder, self._queue, self._after = submitted, folder, queue, after
        self._read = 0
        self._asked_to_stop = self._withdrawn = self._finished = False
        self._ended = False
        # an answer that is older than the job does not know it
        self._unknown_to = queue.answers if queue else 0
        self._over_since: int | None = None

    def poll(self) -> Sequence[Event | End | Lost]:
        """New events, and the end once the job has left its result or Slurm's queue."""
        if self._withdrawn:
            shutil.rmtree(self._folder, ignore_errors=True)
            return [Lost(f"Slurm job {self.submitted.job_id} was withdrawn before it began")]
        done = self._done()  # asked before the events are read, so that none is missed
        events = self._events()
        if done:
            self._finished = True
            events.append(self._end())
        elif self._queue is not None:
            events += self._seen_in_queue(self._queue)
        self._ended = bool(events) and isinstance(events[-1], End | Lost)
        return events

    def _done(self) -> bool:
        if self._queue is None:
            return bool(self.submitted.done())
        with suppress(OSError):
            os.utime(self.submitted.paths.folder)  # a network file system then looks again
        # submitit's own result, not ours: it is written last, and the folder must outlive it
        return bool(self.submitted.paths.result_pickle.exists())

    def _events(self) -> list[Event | End | Lost]:
        path = self._folder / "events.txt"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]  # the last line may be half there
        self._read += len(whole)
        return [pickle.loads(base64.b64decode(line)) for line in whole.splitlines()]

    def _seen_in_queue(self, queue: SlurmQueue) -> list[Event | End | Lost]:
        """What the queue tells of a job that has not left a result: why it waits, or that it is no more."""
        seen = queue.state_of(self.submitted.job_id)
        if seen is None or queue.answers == self._unknown_to:
            return []
        if seen.state not in OVER:
            self._over_since = None
            if seen.stuck and seen.reason not in queue.reported_reasons:
                queue.reported_reasons.add(seen.reason)
                return [Message(f"Slurm job {self.submitted.job_id} waits in the queue: {seen.reason}")]
            return []
        # Slurm withdraws what waits for a failed job: it counts with that one
        if self._after is not None and not self._after._ended:
            return []
        if self._over_since is None:
            self._over_since = queue.answers
        # once more, as results take a while through a network file system, and some jobs are queued again
        return [self._end(seen)] if queue.answers > self._over_since else []

    def _end(self, seen: SlurmJobState | None = None) -> End | Lost:
        end_file = self._folder / "end.pickle"
        if end_file.exists():
            end: End = pickle.loads(end_file.read_bytes())
            if end.how == "done":
                shutil.rmtree(self._folder, ignore_errors=True)
            return end
        state = seen.state if seen else self.submitted.state
        which = f"Slurm job {self.submitted.job_id}"
        if seen and not self._asked_to_stop:
            if state == "CANCELLED":
                return End("failed", f"{which} was cancelled by somebody else; run again to go on from its checkpoint")
            if state == "OUT_OF_MEMORY":
                return End("failed", f"{which} took more main memory than it was given; ask for more: --slurm mem=64GB")
        return Lost(f"{which} ended without a word ({state}; {self._folder / 'log'})")

    def stop(self) -> None:
        """Ask the job to stop; withdraw it if it waits in the queue."""
        self._asked_to_stop = True
        (self._folder / "stop").touch()
        if self._queue is None:
            waiting = self.submitted.state == "PENDING"
        else:
            seen = self._queue.state_of(self.submitted.job_id)
            waiting = seen is not None and seen.state == "PENDING"
        if waiting:
            self.submitted.cancel(check=False)
            self._withdrawn = self._queue is not None

    def kill(self) -> None:
        """Cancel what is left of the job; one that left its result ends by itself, which Slurm must see as an end well.

        What waits for it would be withdrawn otherwise.
        """
        if not (self._finished or self._done()):
            self.submitted.cancel(check=False)


class SlurmExecutor(Executor):
    """The cluster that this machine submits to; `where` "local" runs the jobs as processes of this machine."""

    def __init__(
        self,
        execute: str,
        store: Store,
        kind: str,
        processes: int,
        jobs: int | None,
        threads: int,
        options: Sequence[str] = (),
        where: str = "slurm",
    ) -> None:
        """`options`: KEY=VALUE for submitit, as partition=gpu. Raises InputError where submitit or Slurm is missing, or
        for an option that it does not know.
        """
        super().__init__(store)
        self._submitit = imported()
        if where == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise InputError("--executor slurm: there is no sbatch here. Run this on a login node of a Slurm cluster.")
        self.accepts_dependents = where == "slurm"
        given = parsed(options, self._submitit)
        self._queue = SlurmQueue() if self.accepts_dependents else None
        if kind == "auto":
            kind = "cuda" if not self.accepts_dependents or has_gpus(given.get("slurm_partition")) else "cpu"
        self.device = kind
        self._where, self._jobs = where, jobs
        root = store.root.resolve()
        self._arguments = (execute, Store(root), self.device, threads)
        self._folder = root / "slurm"
        wanted: dict[str, Any] = {"timeout_min": MINUTES, "tasks_per_node": 1, "nodes": 1, "cpus_per_task": processes}
        if self.device == "cuda":
            wanted |= {"gpus_per_node": processes, "cpus_per_task": CPUS_PER_GPU * processes}
        self._options = wanted | given
        # from version 22.05 on, srun gives the job's only step one CPU unless it is told
        cpus = self._options.get("slurm_cpus_per_task", self._options["cpus_per_task"])
        self._options.setdefault("slurm_srun_args", [f"--cpus-per-task={cpus}"])

    def slots(self) -> int:
        """As many as asked for; else all, as Slurm has a queue of its own."""
        return self._jobs or _ROOM

    def submit(self, key: str, data: bytes, after: JobHandle | None) -> SlurmJobHandle:
        """Submit a job, to begin once that of `after` has ended well."""
        # a folder of its own, as a job that an earlier run submitted may still be there
        folder = self._folder / f"{key}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        log = folder / "log"
        executor = self._submitit.AutoExecutor(folder=log, cluster=self._where, slurm_max_num_timeout=_REQUEUES)
        options = dict(self._options) | {"name": f"repro-{key[:8]}"}
        first = after if isinstance(after, SlurmJobHandle) and self.accepts_dependents else None
        if first is not None:
            options["slurm_dependency"] = f"afterok:{first.submitted.job_id}"
            extra = dict(options.get("slurm_additional_parameters", {}))
            options["slurm_additional_parameters"] = extra | {"kill-on-invalid-dep": "yes"}
        executor.update_parameters(**options)
        try:
            submitted = executor.submit(SlurmJob(data, *self._arguments, folder))
        except self._submitit.core.utils.FailedJobError as error:
            shutil.rmtree(folder, ignore_errors=True)
            hint = " Use --device cpu where there are no GPUs." if self.device == "cuda" else ""
            raise InputError(f"--executor slurm: {' '.join(str(error).split())[:500]}. See --slurm.{hint}") from error
        return SlurmJobHandle(submitted, folder, self._queue, first)


def parsed(options: Sequence[str], submitit: Any) -> dict[str, Any]:
    """--slurm KEY=VALUE as submitit takes them: sbatch's names, or submitit's own."""
    own = set(submitit.AutoExecutor._typed_parameters())
    slurm = submitit.SlurmExecutor._valid_parameters()
    named: dict[str, Any] = {}
    for text in options:
        key, equals, value = text.partition("=")
        name = key.strip().replace("-", "_")
        if not equals:
            raise InputError(f"--slurm {text}: no value. Write KEY=VALUE, for example --slurm partition=gpu.")
        if name not in own and name not in slurm:
            hint = did_you_mean(name, sorted(own | slurm))
            raise InputError(f"--slurm {text}: {name} is no option of submitit's. Name another.{hint}")
        typed: Any = int(value) if value.strip().isdigit() else value.strip()
        if name in ("time", "timeout_min") and not isinstance(typed, int):
            raise InputError(f"--slurm {text}: {value!r} is not a number of minutes. Write, for example, time=720.")
        typed = True if typed == "true" else typed  # of options that take no value, as exclusive
        named[name if name in own else f"slurm_{name}"] = typed
    return named


def imported() -> Any:
    """The submitit package; InputError if it is not installed."""
    try:
        import submitit
        import submitit.core.utils
    except ImportError:
        raise InputError('--executor slurm: submitit is not installed. Install it: pip install ".[slurm]"') from None
    return submitit
