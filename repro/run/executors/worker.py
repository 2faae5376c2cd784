"""A worker process: executes one job after another on its device, and reports to the parent what happens.

It never outlives its purpose: the parent's end of the pipe closes when the parent ends, however it ends, and
the worker then stops at the next step (with a checkpoint), or after a minute at the latest.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from repro.errors import InputError
from repro.run.job import ShortOfMemoryError
from repro.run.progress.events import Event, Message, Stopped, TrainingStep
from repro.store.errors import refusal, unwritable
from repro.store.store import Store

STOP = b"stop"
QUIT = b""
Execute = Callable[[Any, Store, str, Callable[[Event], None], Callable[[], bool]], None]

_GRACE_SECONDS = 60.0
_STEP_EVENT_SECONDS = 0.1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Ready:
    """The worker has imported what it needs."""


@dataclass(frozen=True)
class End:
    """How a job ended. busy: another run holds its lock; wrong_input: `reason` is the user's message."""

    how: Literal["done", "busy", "stopped", "failed", "wrong_input"]
    reason: str = ""
    traceback: str = ""
    micro_batch: int | None = None
    """Of a training that failed for want of memory: the images at once to try next."""


def main(connection: Connection, execute: str, store: Store, device: str, threads: int) -> None:
    """Work until told to quit. `execute` is named as ``module:function`` so that nothing heavy is imported
    before the number of threads is set; `store` and `device` are handed on to it.
    """
    # Ctrl-C reaches every process of the terminal; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    inbox = _Inbox(connection)
    signal.signal(signal.SIGTERM, lambda *_: inbox.close())
    outbox = _Outbox(connection, inbox.stop)
    # Written to stderr, a warning would tear the live picture.
    warnings.showwarning = lambda message, kind, file, line, *_: outbox.send(
        Message(f"{Path(file).name}:{line}: {kind.__name__}: {' '.join(str(message).split())}")
    )
    function = load(execute, threads)
    gc.freeze()  # what was imported stays: the collection after each job need not walk through it
    outbox.send(Ready())
    own_store = replace(store, warn=lambda text: outbox.send(Message(text)))
    while (data := inbox.jobs.get()) != QUIT:
        end = work_on(data, function, own_store, device, outbox.send, inbox.stop.is_set)
        outbox.send(end)
        if end.how == "failed":
            # A CUDA error or memory that an exception keeps alive would reach the next job: begin anew.
            return


def load(execute: str, threads: int) -> Execute:
    """The function named as ``module:function``, imported after the number of threads is set."""
    # Sums are split by the number of threads: with one, always, the bits don't depend on how many workers run.
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    module, _, name = execute.partition(":")
    function: Execute = getattr(importlib.import_module(module), name)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    return function


def work_on(
    data: bytes,
    function: Execute,
    store: Store,
    device: str,
    emit: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> End:
    """Execute a pickled (key, job) under its lock, whatever happens; `emit` gets its events."""
    stopped = False

    def send_event(event: Event) -> None:
        nonlocal stopped
        stopped = stopped or isinstance(event, Stopped)
        emit(event)

    try:
        key, job = pickle.loads(data)
        with store.try_lock(key) as ours:
            if not ours:
                return End("busy")
            function(job, store, device, send_event, should_stop)
            return End("stopped" if stopped else "done")
    except InputError as error:
        return End("wrong_input", str(error))
    except ShortOfMemoryError as error:
        return End("failed", str(error), traceback.format_exc(), error.micro_batch)
    except Exception as error:
        if unwritable(error, store.root):
            # A checkpoint, usually. It would be the same for every other job.
            return End("wrong_input", str(refusal(store.root, error)))
        return End("failed", describe(error), traceback.format_exc())


def describe(error: Exception) -> str:
    """Return an exception as one line: its type and the first line of its text."""
    text = str(error).strip().splitlines()
    return type(error).__name__ + (f": {text[0]}" if text else "")


class _Outbox:
    """The way to the parent. Once it is gone, what is sent is dropped and the job is told to stop."""

    def __init__(self, connection: Connection, stop: threading.Event) -> None:
        self._connection = connection
        self._stop = stop
        self._last_step = 0.0
        self._one_at_a_time = threading.Lock()  # a worker group's progress is told by another thread than warnings are

    def send(self, message: Event | Ready | End) -> None:
        if isinstance(message, TrainingStep):
            # Narrow networks take hundreds of steps a second; nobody reads that fast.
            now = time.monotonic()
            if now - self._last_step < _STEP_EVENT_SECONDS:
                return
            self._last_step = now
        try:
            with self._one_at_a_time:
                self._connection.send(message)
        except OSError:
            self._stop.set()


class _Inbox:
    """What the parent says, heard by a thread of its own, so that a busy worker hears it too."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Ask the running job to stop, and take no other."""
        self.stop.set()
        self.jobs.put(QUIT)

    def _listen(self) -> None:
        while True:
            try:
                data = self._connection.recv_bytes()
            except (EOFError, OSError):
                break
            if data == STOP:
                self.stop.set()
            else:
                self.jobs.put(data)
        # The parent is gone: finish with a checkpoint, and if that takes too long, without.
        self.close()
        time.sleep(_GRACE_SECONDS)
        os._exit(1)
