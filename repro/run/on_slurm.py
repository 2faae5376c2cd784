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
import pickle
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import InputError, did_you_mean
from repro.run.distant import work_here
from repro.run.events import Event
from repro.run.remote import Lost, Seat
from repro.run.worker import End
from repro.store.store import Store

DEFAULTS: Mapping[str, Any] = {"timeout_min": 24 * 60, "cpus_per_task": 4}
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

            def tell(event: Event) -> None:
                file.write(base64.b64encode(pickle.dumps(event)) + b"\n")

            end = work_here(self.data, self.execute, self.store, self.device, self.threads, tell, should_stop)
        aside = self.folder / "end.part"
        aside.write_bytes(pickle.dumps(end))
        aside.replace(self.folder / "end.pickle")
        if end.how != "done":
            raise NotDoneError(end.how)  # Slurm must not begin what waits for this job

    def checkpoint(self) -> Any:
        """Asked for by submitit when the job's time is up or its place is taken: submit it again.

        The training goes on from its last checkpoint.
        """
        return imported().core.utils.DelayedSubmission(self)


class NotDoneError(Exception):
    """The job ended otherwise than well; its end is on disk."""


class SlurmSeat:
    """A job in Slurm's queue or on one of its machines."""

    def __init__(self, submitted: Any, folder: Path) -> None:
        self.submitted, self._folder = submitted, folder
        self._read = 0

    def hear(self) -> Sequence[Event | End | Lost]:
        """New events, and the end once submitit knows of it."""
        done = self.submitted.done()  # asked before the events are read, so that none is missed
        events = self._events()
        return [*events, self._end()] if done else events

    def _events(self) -> list[Event]:
        path = self._folder / "events.txt"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]  # the last line may be half there
        self._read += len(whole)
        return [pickle.loads(base64.b64decode(line)) for line in whole.splitlines()]

    def _end(self) -> End | Lost:
        told = self._folder / "end.pickle"
        if told.exists():
            end: End = pickle.loads(told.read_bytes())
            if end.how == "done":
                shutil.rmtree(self._folder, ignore_errors=True)
            return end
        return Lost(f"Slurm job {self.submitted.job_id} ended without a word ({self.submitted.state})")

    def stop(self) -> None:
        """Ask the job to stop; withdraw it if it waits in the queue."""
        (self._folder / "stop").touch()
        if self.submitted.state == "PENDING":
            self.submitted.cancel()

    def kill(self) -> None:
        """Cancel what is left of the job."""
        if not self.submitted.done():
            self.submitted.cancel()


class SlurmCluster:
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
        self._submitit = imported()
        if where == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise InputError("--executor slurm: there is no sbatch here. Run this on a login node of a Slurm cluster.")
        self.orders = where == "slurm"
        self.device = "cpu" if kind == "cpu" else "cuda"
        self._where, self._jobs = where, jobs
        root = store.root.resolve()
        self._told = (execute, Store(root), self.device, threads)
        self._folder = root / "slurm"
        wanted = dict(DEFAULTS) | {"tasks_per_node": 1, "nodes": 1}
        wanted["cpus_per_task"] *= processes
        if self.device == "cuda":
            wanted["gpus_per_node"] = processes
        self._options = wanted | parsed(options, self._submitit)

    def room(self) -> int:
        """As many as asked for; else all, as Slurm has a queue of its own."""
        return self._jobs or _ROOM

    def submit(self, key: str, data: bytes, after: Seat | None) -> SlurmSeat:
        """Submit a job, to begin once that of `after` has ended well."""
        # a folder of its own, as a job that an earlier run submitted may still be there
        folder = self._folder / f"{key}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        executor = self._submitit.AutoExecutor(folder=folder / "log", cluster=self._where)
        options = dict(self._options) | {"name": f"repro-{key[:8]}"}
        if isinstance(after, SlurmSeat) and self.orders:
            options["slurm_dependency"] = f"afterok:{after.submitted.job_id}"
            extra = dict(options.get("slurm_additional_parameters", {}))
            options["slurm_additional_parameters"] = extra | {"kill-on-invalid-dep": "yes"}
        executor.update_parameters(**options)
        try:
            submitted = executor.submit(SlurmJob(data, *self._told, folder))
        except self._submitit.core.utils.FailedJobError as error:
            raise InputError(f"--executor slurm: {' '.join(str(error).split())[:500]}. See --slurm.") from error
        return SlurmSeat(submitted, folder)


def parsed(options: Sequence[str], submitit: Any) -> dict[str, Any]:
    """--slurm KEY=VALUE as submitit takes them: sbatch's names, or submitit's own."""
    own = set(submitit.AutoExecutor._typed_parameters())
    slurm = submitit.SlurmExecutor._valid_parameters()
    found: dict[str, Any] = {}
    for text in options:
        key, equals, value = text.partition("=")
        name = key.strip().replace("-", "_")
        if not equals:
            raise InputError(f"--slurm {text}: no value. Write KEY=VALUE, for example --slurm partition=gpu.")
        if name not in own and name not in slurm:
            hint = did_you_mean(name, sorted(own | slurm))
            raise InputError(f"--slurm {text}: {name} is no option of submitit's. Name another.{hint}")
        typed: Any = int(value) if value.strip().isdigit() else value.strip()
        found[name if name in own else f"slurm_{name}"] = typed
    return found


def imported() -> Any:
    """The submitit package; InputError if it is not installed."""
    try:
        import submitit
        import submitit.core.utils
    except ImportError:
        raise InputError('--executor slurm: submitit is not installed. Install it: pip install ".[slurm]"') from None
    return submitit
