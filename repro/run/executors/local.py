"""Jobs in worker processes of this machine, each pinned to a device, which they keep from job to job.

A worker imports torch once and executes one job after another. One that is killed, or whose job failed, is replaced.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal

from repro.errors import InputError
from repro.run.executors.loop import Executor, JobHandle, Lost
from repro.run.executors.worker import STOP, End, Ready, main
from repro.run.progress.events import Event
from repro.store.store import Store

START_METHOD: Literal["spawn"] = "spawn"
"""Of worker processes: a fork of a process with threads may hang."""
_POLL_SECONDS = 0.2
_GOODBYE_SECONDS = 10.0


@dataclass(eq=False)
class LocalJobHandle:
    """A job in a worker process."""

    worker: _Worker
    messages: deque[Event | End | Lost] = field(default_factory=deque)
    ended: bool = False

    def poll(self) -> Sequence[Event | End | Lost]:
        """What the worker said since the last call."""
        new = list(self.messages)
        self.messages.clear()
        return new

    def stop(self) -> None:
        """Ask the worker to stop after a checkpoint; it takes no other job."""
        with suppress(OSError):  # dead already: its closed pipe is met next
            self.worker.connection.send_bytes(STOP)

    def kill(self) -> None:
        """Kill the worker of a job that has not ended."""
        if not self.ended:
            self.worker.process.kill()


@dataclass(eq=False)
class _Worker:
    device: str
    process: BaseProcess
    connection: Connection
    state: Literal["starting", "ready", "leaving"] = "starting"
    job: LocalJobHandle | None = None


class LocalExecutor(Executor):
    """A worker process for each of `devices` (name one twice for two workers on it).

    `execute` names the function as ``module:function``; it is called as ``function(job, store, device, emit,
    should_stop)`` while its key is locked, does only what the store lacks, and emits `Stopped` if it was asked to stop
    before the end. `threads` is each worker's number of CPU threads.
    """

    attempts = 1  # what kills a process of this machine, such as want of memory, would kill the next one too

    def __init__(self, execute: str, store: Store, devices: Sequence[str], threads: int = 1) -> None:
        super().__init__(store)
        if not devices:
            raise ValueError("no device to work on")
        self.execute, self.devices, self.threads = execute, tuple(devices), threads
        self.local_device = devices[0]
        self._workers: list[_Worker] = []

    def slots(self) -> int:
        """One for each device."""
        return len(self.devices)

    def prepare(self, jobs: int) -> None:
        """Start workers where they lack."""
        for device in self.devices[:jobs]:
            mine = sum(worker.device == device for worker in self._workers)
            if mine < self.devices[:jobs].count(device) and len(self._workers) < jobs:
                self._start(device)

    def _start(self, device: str) -> None:
        context = multiprocessing.get_context(START_METHOD)
        ours, theirs = context.Pipe()
        arguments = (theirs, self.execute, self.store, device, self.threads)
        # not a daemon: a worker may start processes of its own, and notices by itself when this one is gone
        process: BaseProcess = context.Process(target=main, args=arguments)
        with _interrupts_held_back():
            process.start()
        theirs.close()  # else the pipe would stay open when the worker ends
        self._workers.append(_Worker(device, process, ours))

    def submit(self, key: str, data: bytes, after: JobHandle | None) -> LocalJobHandle | None:  # noqa: ARG002
        """Hand the job to a worker that has none."""
        for worker in self._workers:
            if worker.state != "ready" or worker.job:
                continue
            try:
                worker.connection.send_bytes(data)
            except OSError:
                worker.state = "leaving"  # it died without a job; `wait` meets its closed pipe next
                continue
            worker.job = LocalJobHandle(worker)
            return worker.job
        return None

    def wait(self) -> None:
        """Take what the workers say. Raises InputError where one ended before it could begin."""
        for connection in wait([worker.connection for worker in self._workers], _POLL_SECONDS):
            worker = next(worker for worker in self._workers if worker.connection is connection)
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if isinstance(message, Ready):
                worker.state = "ready"
            elif worker.job is not None:
                worker.job.messages.append(message)
                if isinstance(message, End):
                    self._end(worker, message)

    def _end(self, worker: _Worker, end: End) -> None:
        if worker.job is not None:
            worker.job.ended = True
        worker.job = None
        if end.how == "failed":
            worker.state = "leaving"

    def _bury(self, worker: _Worker) -> None:
        """A worker's process has ended: its job, if it had one, is lost."""
        worker.process.join(_GOODBYE_SECONDS)
        worker.connection.close()
        self._workers.remove(worker)
        how = _cause_of_death(worker.process.exitcode)
        if worker.job is not None:
            worker.job.ended = True
            worker.job.messages.append(Lost(f"its worker process {how}"))
        elif worker.state == "starting":
            raise InputError(
                f"--device {worker.device}: a worker process {how} before it could begin; if it said why, that is "
                "above. If memory ran out, use a smaller --jobs."
            )

    def close(self, handles: Collection[JobHandle], *, kill: bool) -> None:  # noqa: ARG002
        """End all workers; those with a job stop it with a checkpoint, unless `kill`."""
        for worker in self._workers:
            if kill or not worker.job:
                worker.process.kill()  # without a job it holds nothing, and torch takes a second to say goodbye
            worker.connection.close()  # a worker with a job then stops it, with a checkpoint
        for worker in self._workers:
            worker.process.join(_GOODBYE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()


def _cause_of_death(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"was killed ({name}: out of memory?)" if name == "SIGKILL" else f"was killed ({name})"


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C from a child until it has said what to do with it; here it arrives a moment later."""
    # The first child would start this process, and that unblocks SIGINT on the way.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
