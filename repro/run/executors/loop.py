"""Runs jobs on a cluster, in the order of their dependencies, with the outcome and the events of a local run.

What can end a job early, and what happens then:

    Ctrl-C or SIGTERM    jobs write a checkpoint and stop, those that have not begun are withdrawn; a second one kills
    a job fails          it and the jobs that wait for it are recorded as failures; all others go on
    its machine is lost  it is done again from its last checkpoint, on another machine; after LOSSES times it failed
    wrong input          jobs write a checkpoint and stop; `InputError`
    this process dies    jobs go on and store their results; the same command takes them as they come

Results pass through the store, so it must be on a file system that all machines share.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
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

LOSSES = 5
"""A job is given up when its machine, or its process, is lost so many times."""
DELAY_SECONDS = 1.0
"""Before a job that was lost is submitted again; four times as long each time after."""
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Lost:
    """The machine or the process of a job is gone; `how` is for the user."""

    how: str


class JobHandle(Protocol):
    """A job's place on the cluster."""

    def poll(self) -> Sequence[Event | End | Lost]:
        """What is new, without waiting. After an `End` or `Lost` there is nothing more."""

    def stop(self) -> None:
        """Ask the job to stop after a checkpoint, or withdraw it if it has not begun."""

    def kill(self) -> None:
        """End it now; free what it holds."""


class Cluster(Protocol):
    """Where jobs run."""

    accepts_dependents: bool
    """Whether it takes jobs that wait for others, and keeps them until these are done."""

    def capacity(self) -> int:
        """How many jobs may be submitted at a time."""

    def submit(self, key: str, data: bytes, after: JobHandle | None) -> JobHandle:
        """Take a pickled (key, job), to begin once `after` is done."""


@dataclass
class _Submitted:
    work: Work
    handle: JobHandle
    began: str


@dataclass
class _Run:
    """The state of one call of `run`."""

    cluster: Cluster
    ledger: JobQueue
    signals: Signals
    handles: dict[str, _Submitted] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    wrong_input: str = ""

    def run(self) -> Outcome:
        try:
            while self.ledger.open and self.signals.count < 2:
                if self.signals.count and not self.stopping:
                    self._stop()
                    self.ledger.listener(Message("stopping with checkpoints; once more to end at once"))
                if self.stopping and not self.handles:
                    break
                if not self.stopping:
                    self._submit()
                self._poll()
        finally:
            for one in self.handles.values():
                one.handle.kill()
        if self.wrong_input:
            raise InputError(self.wrong_input)
        return self.ledger.outcome

    def _submit(self) -> None:
        while len(self.handles) < self.cluster.capacity():
            work = self.ledger.next(self.handles, self.handles if self.cluster.accepts_dependents else ())
            if work is None:
                return
            first = self.handles.get(work.after or "")
            handle = self.cluster.submit(work.key, pickle.dumps((work.key, work.job)), first.handle if first else None)
            self.handles[work.key] = _Submitted(work, handle, datetime.now(UTC).isoformat(timespec="seconds"))

    def _poll(self) -> None:
        heard = False
        for one in list(self.handles.values()):
            for message in one.handle.poll():
                heard = True
                if isinstance(message, End | Lost):
                    self._leave(one)
                    self._lost(one, message) if isinstance(message, Lost) else self._end(one, message)
                    break
                self.ledger.pass_on(message)
        if not heard:
            time.sleep(POLL_SECONDS)

    def _leave(self, one: _Submitted) -> None:
        self.handles.pop(one.work.key, None)
        one.handle.kill()

    def _end(self, one: _Submitted, end: End) -> None:
        if end.how == "done":
            self.ledger.finish(one.work)
        elif end.how == "busy":
            self.ledger.put_off(one.work)
            self._withdraw_what_waits_for(one.work.key)
        elif end.how == "failed":
            self._fail(one, end.reason, end.traceback, end.micro_batch)
        elif end.how == "wrong_input":
            self.wrong_input = self.wrong_input or end.reason
            self._stop()
        elif not self.stopping:
            # It stopped without having been asked by us: its machine is being given up.
            self._lost(one, Lost("it was told to stop"))

    def _lost(self, one: _Submitted, lost: Lost) -> None:
        key = one.work.key
        if self.stopping:
            self.ledger.listener(Stopped(key))
            return
        self.losses[key] = self.losses.get(key, 0) + 1
        if self.losses[key] >= LOSSES:
            self._fail(one, f"lost {LOSSES} times, at last: {lost.how}", "")
            return
        self.ledger.pass_on(Message(f"{key[:8]}: {lost.how}; it goes on from its last checkpoint elsewhere"))
        # A cluster takes a while to see that a machine is gone, and would place the job there again.
        self.ledger.delay(one.work, DELAY_SECONDS * 4 ** (self.losses[key] - 1))
        self._withdraw_what_waits_for(key)

    def _withdraw_what_waits_for(self, key: str) -> None:
        """Jobs that the cluster was to begin after that one's present handle would wait for ever."""
        for other in [other for other in self.handles.values() if other.work.after == key]:
            self._leave(other)
            self._withdraw_what_waits_for(other.work.key)

    def _fail(self, one: _Submitted, reason: str, traceback: str, micro_batch: int | None = None) -> None:
        self.ledger.fail(one.work, reason, traceback, one.began, micro_batch)
        for other in [other for other in self.handles.values() if other.work.key not in self.ledger.open]:
            self._leave(other)

    def _stop(self) -> None:
        self.stopping = True
        for one in self.handles.values():
            one.handle.stop()


def run(work: Sequence[Work], cluster: Cluster, store: Store, listener: Callable[[Event], None]) -> Outcome:
    """Run all `work` on a cluster. `listener` gets every event, in this process. Raises `InputError` if a job does."""
    store.prepare()
    with counted_signals() as signals:
        return _Run(cluster, JobQueue(work, store, listener), signals).run()
