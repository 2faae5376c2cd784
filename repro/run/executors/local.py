"""Runs jobs in processes of this machine, each pinned to a device, in the order of their dependencies.

What can end a run early, and what is left then:

    Ctrl-C or SIGTERM    workers write a checkpoint and stop; the outcome says `interrupted`; a second one kills
    a job fails          it and the jobs that wait for it are recorded as failures; all others go on
    a worker is killed   likewise, and the worker is replaced
    wrong input          workers write a checkpoint and stop; `InputError`
    this process dies    workers notice, write a checkpoint and stop

Several runs may share a store: a job that another run works on is asked for again until its lock is free, and
then finds its results stored.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Literal

from repro.errors import InputError
from repro.run.executors.job_queue import JobQueue, Outcome
from repro.run.executors.order import Work
from repro.run.executors.signals import Signals, counted_signals
from repro.run.executors.worker import STOP, End, Ready, main
from repro.run.progress.events import Event, Message, Stopped
from repro.store.store import Store

_POLL_SECONDS = 0.2
_GOODBYE_SECONDS = 10.0


@dataclass(eq=False)
class _Worker:
    device: str
    process: BaseProcess
    connection: Connection
    state: Literal["starting", "ready", "leaving"] = "starting"
    work: Work | None = None
    started: str = ""  # when it got its work, UTC


def run(
    work: Sequence[Work],
    execute: str,
    store: Store,
    devices: Sequence[str],
    listener: Callable[[Event], None],
    *,
    threads: int = 1,
) -> Outcome:
    """Run all `work` with a worker process for each of `devices` (name one twice for two workers on it).

    `execute` names the function as ``module:function``; it is called as ``function(job, store, device, emit,
    should_stop)`` while its key is locked, does only what the store lacks, and emits `Stopped` if it was asked to
    stop before the end. `threads` is each worker's number of CPU threads. `listener` gets every event, in this
    process. Raises `InputError` if a job does, or if workers can't be started.
    """
    if work and not devices:
        raise ValueError("no device to work on")
    store.prepare()
    with counted_signals() as signals:
        return _Run(work, execute, store, tuple(devices), listener, threads, signals).run()


class _Run:
    """The state of one call of `run`."""

    def __init__(
        self,
        work: Sequence[Work],
        execute: str,
        store: Store,
        devices: tuple[str, ...],
        listener: Callable[[Event], None],
        threads: int,
        signals: Signals,
    ) -> None:
        self.execute, self.store, self.threads = execute, store, threads
        self.listener, self.signals = listener, signals
        self.ledger = JobQueue(work, store, listener)
        self.devices = devices[: len(work)]
        self.workers: list[_Worker] = []
        self.stopping = False
        self.wrong_input = ""

    def run(self) -> Outcome:
        try:
            for device in self.devices:
                self._start(device)
            while self.ledger.open and self.signals.count < 2:
                if self.signals.count and not self.stopping:
                    self._stop()
                    self.listener(Message("stopping at the next step, with checkpoints; once more to end at once"))
                if self.stopping and not any(worker.work for worker in self.workers):
                    break
                self._assign()
                self._poll()
        finally:
            self._dismiss(kill=self.signals.count > 1)
        if self.wrong_input:
            raise InputError(self.wrong_input)
        return self.ledger.outcome

    # -- workers

    def _start(self, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, self.execute, self.store, device, self.threads)
        process = context.Process(target=main, args=arguments, daemon=True)
        with _interrupts_held_back():
            process.start()
        theirs.close()  # else the pipe would stay open when the worker ends
        self.workers.append(_Worker(device, process, ours))

    def _assign(self) -> None:
        """Give the most urgent jobs to the workers that have none."""
        for worker in self.workers:
            if self.stopping or worker.state != "ready" or worker.work:
                continue
            work = self.ledger.next({other.work.key for other in self.workers if other.work})
            if work is None:
                return
            try:
                worker.connection.send_bytes(pickle.dumps((work.key, work.job)))
            except OSError:
                worker.state = "leaving"  # it died without work; `_hear` meets its closed pipe next
                continue
            worker.work = work
            worker.started = datetime.now(UTC).isoformat(timespec="seconds")

    def _poll(self) -> None:
        """Take what the workers have to say, waiting for it a moment."""
        for connection in wait([worker.connection for worker in self.workers], _POLL_SECONDS):
            worker = next(worker for worker in self.workers if worker.connection is connection)
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if isinstance(message, Ready):
                worker.state = "ready"
            elif isinstance(message, End):
                self._end(worker, message)
            else:
                self.ledger.pass_on(message)

    def _bury(self, worker: _Worker) -> None:
        """A worker's process has ended: its job, if it had one, failed; another worker takes its place."""
        worker.process.join(_GOODBYE_SECONDS)
        worker.connection.close()
        self.workers.remove(worker)
        how = _cause_of_death(worker.process.exitcode)
        if self.stopping:
            if worker.work:
                self.listener(Stopped(worker.work.key))
            return
        if worker.state == "starting":
            self.wrong_input = (
                f"--device {worker.device}: a worker process {how} before it could begin; if it said why, that is "
                "above. If memory ran out, use a smaller --jobs."
            )
            self._stop()
            return
        if worker.work:
            self.ledger.fail(worker.work, f"its worker process {how}", "", worker.started)
        if len(self.workers) < len(self.ledger.open):
            self._start(worker.device)

    def _stop(self) -> None:
        """Ask the workers to stop, those with a job after a checkpoint."""
        self.stopping = True
        for worker in self.workers:
            with suppress(OSError):  # dead already: `_hear` meets its closed pipe
                worker.connection.send_bytes(STOP)

    def _dismiss(self, kill: bool) -> None:
        for worker in self.workers:
            if kill or not worker.work:
                worker.process.kill()  # without a job it holds nothing, and torch takes a second to say goodbye
            worker.connection.close()  # a worker with a job then stops it, with a checkpoint
        for worker in self.workers:
            worker.process.join(_GOODBYE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    # -- jobs

    def _end(self, worker: _Worker, end: End) -> None:
        work, worker.work = worker.work, None
        assert work is not None
        if end.how == "done":
            self.ledger.finish(work)
        elif end.how == "busy":
            self.ledger.put_off(work)
        elif end.how == "failed":
            worker.state = "leaving"
            self.ledger.fail(work, end.reason, end.traceback, worker.started, end.micro_batch)
        else:
            # Stopped without having been asked by us: whoever sent the worker SIGTERM wants the run to end.
            self.wrong_input = self.wrong_input or end.reason
            if not self.stopping:
                self._stop()


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
