"""The one loop that runs jobs in the order of their dependencies, wherever they run.

What can end a job early, and what happens then:

    Ctrl-C or SIGTERM   jobs write a checkpoint and stop, those that have not begun are withdrawn; a second one kills
    a job fails         it and the jobs that wait for it are recorded as failures; all others go on
    it is lost          its process was killed, its machine is gone: it is done again from its last checkpoint, so often
                        as the executor allows (`Executor.attempts`); then it failed
    wrong input         jobs write a checkpoint and stop; `InputError`
    this process dies   workers of this machine notice, write a checkpoint and stop; a cluster's jobs go on and store
                        their results, and the same command takes them as they come

Results pass through the store, so on a cluster it must be on a file system that all machines share. Several runs may
share a store: a job that another run works on is asked for again until its lock is free, and then finds its results
stored.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from repro.errors import InputError
from repro.run.executors.job_queue import JobQueue, Outcome
from repro.run.executors.order import Work
from repro.run.executors.signals import Signals, counted_signals
from repro.run.executors.worker import End
from repro.run.progress.events import Event, Message, Stopped
from repro.store.store import Store

DELAY_SECONDS = 1.0
"""Before a job that was lost is submitted again; four times as long each time after."""
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Lost:
    """The machine or the process of a job is gone; `reason` is for the user."""

    reason: str


class JobHandle(Protocol):
    """A submitted job."""

    def poll(self) -> Sequence[Event | End | Lost]:
        """What is new, without waiting. After an `End` or `Lost` there is nothing more."""

    def stop(self) -> None:
        """Ask the job to stop after a checkpoint, or withdraw it if it has not begun."""

    def kill(self) -> None:
        """End it now, unless it has ended; free what it holds."""


class Executor:
    """Where jobs run. Each one is a pickled (key, job)."""

    accepts_dependents = False
    """Whether it takes jobs that wait for others, and keeps them until these are done."""
    attempts = 5
    """How often a job is begun whose machine, or process, is lost each time."""
    local_device: str | None = None
    """The device of this machine that jobs run on; None for other machines'."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def slots(self) -> int:
        """How many jobs may be submitted at a time."""
        raise NotImplementedError

    def prepare(self, jobs: int) -> None:
        """Make ready for so many jobs that are not done yet; called before any are submitted, again and again."""

    def submit(self, key: str, data: bytes, after: JobHandle | None) -> JobHandle | None:
        """Take a job, to begin once `after` is done; None while there is no place for it."""
        raise NotImplementedError

    def wait(self) -> None:
        """Wait a moment, or until there is something new. Raises InputError where no job can run."""
        time.sleep(POLL_SECONDS)

    def close(self, handles: Collection[JobHandle], *, kill: bool) -> None:  # noqa: ARG002
        """End what is left of jobs; `kill`: without giving them time for checkpoints."""
        for handle in handles:
            handle.kill()


def run(work: Sequence[Work], executor: Executor, listener: Callable[[Event], None]) -> Outcome:
    """Run all `work`. `listener` gets every event, in this process.

    Raises InputError if a job does, or if jobs cannot run at all.
    """
    executor.store.prepare()
    with counted_signals() as signals:
        return _LoopState(executor, JobQueue(work, executor.store, listener), signals).run()


@dataclass
class _Submitted:
    work: Work
    handle: JobHandle
    submitted: str
    """When, UTC."""


@dataclass
class _LoopState:
    """The state of one call of `run`."""

    executor: Executor
    queue: JobQueue
    signals: Signals
    jobs: dict[str, _Submitted] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    wrong_input: str = ""

    def run(self) -> Outcome:
        try:
            while self.queue.open and self.signals.count < 2:
                if self.signals.count and not self.stopping:
                    self._stop()
                    self.queue.listener(
                        Message("stopping at the next step, with checkpoints; once more to end at once")
                    )
                if self.stopping and not self.jobs:
                    break
                something = self._poll()
                if not self.stopping:
                    self._submit()
                if not something:
                    self._wait()
        finally:
            self.executor.close([job.handle for job in self.jobs.values()], kill=self.signals.count > 1)
        if self.wrong_input:
            raise InputError(self.wrong_input)
        return self.queue.outcome

    def _submit(self) -> None:
        self.executor.prepare(len(self.queue.open))
        while len(self.jobs) < self.executor.slots():
            work = self.queue.next(self.jobs, self.jobs if self.executor.accepts_dependents else ())
            if work is None:
                return
            first = self.jobs.get(work.after or "")
            data = pickle.dumps((work.key, work.job))
            handle = self.executor.submit(work.key, data, first.handle if first else None)
            if handle is None:
                return
            self.jobs[work.key] = _Submitted(work, handle, datetime.now(UTC).isoformat(timespec="seconds"))

    def _poll(self) -> bool:
        """Take what the jobs say; whether there was anything."""
        something = False
        for job in list(self.jobs.values()):
            for message in job.handle.poll():
                something = True
                if isinstance(message, End | Lost):
                    self._remove(job)
                    self._lost(job, message) if isinstance(message, Lost) else self._end(job, message)
                    break
                self.queue.pass_on(message)
        return something

    def _wait(self) -> None:
        try:
            self.executor.wait()
        except InputError as error:
            if not (self.stopping or self.signals.count):
                self._stop_for(str(error))

    def _remove(self, job: _Submitted) -> None:
        self.jobs.pop(job.work.key, None)
        job.handle.kill()

    def _end(self, job: _Submitted, end: End) -> None:
        if end.how == "done":
            self.queue.finish(job.work)
        elif end.how == "busy":
            self.queue.put_off(job.work)
            self._withdraw_what_waits_for(job.work.key)
        elif end.how == "failed":
            self._fail(job, end.reason, end.traceback, end.micro_batch)
        elif end.how == "wrong_input":
            self._stop_for(end.reason)
        elif self.executor.attempts > 1:
            # stopped without having been asked by us: its machine is being given up
            self._lost(job, Lost("it was told to stop"))
        else:
            # likewise: whoever sent a worker of this machine SIGTERM wants the run to end
            self._stop()

    def _lost(self, job: _Submitted, lost: Lost) -> None:
        key = job.work.key
        if self.stopping:
            self.queue.listener(Stopped(key))
            return
        self.losses[key] = self.losses.get(key, 0) + 1
        if self.losses[key] >= self.executor.attempts:
            often = f"lost {self.losses[key]} times, at last: " if self.losses[key] > 1 else ""
            self._fail(job, f"{often}{lost.reason}", "")
            return
        self.queue.pass_on(Message(f"{key[:8]}: {lost.reason}; it goes on from its last checkpoint elsewhere"))
        # A cluster takes a while to see that a machine is gone, and would place the job there again.
        self.queue.delay(job.work, DELAY_SECONDS * 4 ** (self.losses[key] - 1))
        self._withdraw_what_waits_for(key)

    def _withdraw_what_waits_for(self, key: str) -> None:
        """Jobs that the executor was to begin after that one's present handle would wait for ever."""
        for other in [other for other in self.jobs.values() if other.work.after == key]:
            self._remove(other)
            self._withdraw_what_waits_for(other.work.key)

    def _fail(self, job: _Submitted, reason: str, traceback: str, micro_batch: int | None = None) -> None:
        self.queue.fail(job.work, reason, traceback, job.submitted, micro_batch)
        for other in [other for other in self.jobs.values() if other.work.key not in self.queue.open]:
            self._remove(other)

    def _stop_for(self, reason: str) -> None:
        self.wrong_input = self.wrong_input or reason
        if not self.stopping:
            self._stop()

    def _stop(self) -> None:
        self.stopping = True
        for job in self.jobs.values():
            job.handle.stop()
