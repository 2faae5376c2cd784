"""One training by several processes of this machine, each on a GPU of its own (or on the CPU, over Gloo).

torch.multiprocessing starts them, and ends all where one fails. The worker passes on their progress and sees that they
move.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import safetensors.torch
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import ProcessContext, ProcessException, start_processes

from repro.errors import InputError
from repro.run.distributed import ddp_worker, heartbeat
from repro.run.distributed.ddp_worker import Assignment, OutOfStepError, WorkerGroupError, checkpoint_lock
from repro.run.distributed.heartbeat import Heartbeat, StallDetector, StalledError
from repro.run.job import Job
from repro.store.store import Store
from repro.train import checkpoint
from repro.train.context import Hooks
from repro.train.loop import DivergedError, StoppedError
from repro.train.training import Trained

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30.0
_LAST_LINES = 5
_AGAIN = 2
"""How often a group that stalls, or whose processes begin at different steps, is started again."""
_CAUSES = (InputError, torch.OutOfMemoryError, DivergedError, OSError, OutOfStepError, WorkerGroupError, StoppedError)
"""What one process alone met counts before what all met."""


def train_distributed(job: Job, store: Store, device: str, hooks: Hooks) -> Trained:
    """Do the training of a job with `job.execution.processes` processes.

    `device`: "cpu", "cuda", or "cuda:0,1" for certain GPUs. `hooks.folder` must be given. Raises what `train` raises,
    and WorkerGroupError.
    """
    assert hooks.folder is not None
    settings, processes = job.training.settings, job.execution.processes
    if settings.batch_size % processes:
        raise InputError(
            f"--gpus-per-training {processes}: a batch of {settings.batch_size} images is not divisible by the number "
            f"of processes. Choose a divisor of {settings.batch_size}."
        )
    attempts = 0
    while True:
        group = _WorkerGroup(job, store, device, hooks)
        try:
            return group.run()
        except (StalledError, OutOfStepError) as error:
            attempts += 1
            if attempts > _AGAIN:
                raise WorkerGroupError(f"{error} (after {attempts} attempts)") from None
            hooks.warn(f"{error}. Going on from the last checkpoint.")
        await_checkpoint_writer(job, store, hooks)


def await_checkpoint_writer(job: Job, store: Store, hooks: Hooks) -> None:
    """Wait until no process of an earlier worker group writes checkpoints of this training any more.

    The processes of a group end with their worker, but a moment later, and the worker's lock ends with it at once:
    whoever takes the training over would read checkpoints that change meanwhile. Raises StoppedError if asked to stop.
    """
    reported = False
    while True:
        with store.try_lock(checkpoint_lock(job)) as free:
            if free:
                return
        if not reported:
            hooks.warn("processes of an earlier run still write this training's checkpoint; waiting until they end")
            reported = True
        if hooks.should_stop():
            raise StoppedError("stopped while processes of an earlier run still wrote this training's checkpoint")
        time.sleep(_POLL_SECONDS)


class _WorkerGroup:
    """The processes of one attempt."""

    main = staticmethod(ddp_worker.main)
    """What each process does."""

    def __init__(self, job: Job, store: Store, device: str, hooks: Hooks) -> None:
        assert hooks.folder is not None
        self.job, self.store, self.device, self.hooks = job, store, device, hooks
        self.checkpoints = hooks.folder
        # a folder of its own: what processes of an earlier attempt leave, or what cannot be removed, is not this one's
        self.folder = hooks.folder / f"workers-{os.getpid()}-{secrets.token_hex(4)}"
        self.heartbeats: dict[int, Heartbeat] = {}
        self.failures: dict[int, Exception] = {}
        self.trained: Trained | None = None

    def run(self) -> Trained:
        checkpoint.load(self.checkpoints, self.hooks.warn)  # sets damaged ones aside, so that all find the same
        for old in self.checkpoints.glob("workers-*"):
            shutil.rmtree(old, ignore_errors=True)
        self.folder.mkdir(parents=True)
        meeting_point = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        ours, theirs = zip(*(Pipe() for _ in range(self.job.execution.processes)), strict=True)
        message = (theirs, self._assignment(meeting_point.port))
        # a process that is still to begin must not end by the warning that is for this one
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        try:
            context = start_processes(  # type: ignore[no-untyped-call]
                self.main, message, self.job.execution.processes, join=False
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for pipe in theirs:
            pipe.close()
        pipes, exited = dict(zip(ours, range(len(ours)), strict=True)), None
        try:
            self._supervise(context, pipes)
        except ProcessException as error:
            exited = error
        finally:
            end(context.processes)
        while self._listen(pipes, [], 0):
            pass  # what they said last
        if self.trained is None:
            raise self._failure(exited)
        return replace(self.trained, state=dict(safetensors.torch.load_file(self.folder / ddp_worker.WEIGHTS)))

    def _assignment(self, port: int) -> Assignment:
        kind = self.device.partition(":")[0]
        store, folder = Store(self.store.root), self.folder.resolve()
        steps, environment = self.hooks.checkpoint_steps, self._environment()
        return Assignment(self.job, store, self.checkpoints, steps, folder, kind, port, os.getpid(), environment)

    def _environment(self) -> dict[str, str]:
        environment = {}
        # Gloo would ask for this machine's name and listen there: a name that resolves slowly, or to an address that
        # cannot be reached from here, has the processes wait for each other
        if "GLOO_SOCKET_IFNAME" not in os.environ and (own := _loopback()):
            environment["GLOO_SOCKET_IFNAME"] = own
        kind, _, numbers = self.device.partition(":")
        if kind == "cuda" and numbers:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            names = seen.split(",") if seen else None
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(names[int(n)] if names else n for n in numbers.split(","))
        return environment

    def _supervise(self, context: ProcessContext, pipes: dict[Connection, int]) -> None:
        """Take what the processes say until all have ended; ask them to stop; see that they move."""
        name = f"training {self.job.label or self.job.training.key[:8]}"
        stall_detector = StallDetector(name, self.job.execution.processes, self.hooks.warn)
        last_check, stopping = time.monotonic(), False
        done: float | None = None
        while not context.join(timeout=0):
            if not stopping and self.hooks.should_stop():
                stopping = True
                for pipe in pipes:
                    with suppress(OSError):  # it has ended
                        pipe.send(ddp_worker.STOP)
            self._listen(pipes, context.sentinels, _POLL_SECONDS)
            if (now := time.monotonic()) < last_check:
                continue
            last_check = now + heartbeat.HEARTBEAT_SECONDS
            if self.trained is None:
                stall_detector.check_progress(self.heartbeats)
            elif now - (done := done or now) > _GRACE_SECONDS:
                return  # all is there, but for the processes' own end

    def _listen(self, pipes: dict[Connection, int], sentinels: Iterable[int], seconds: float) -> bool:
        """Take what the processes say, waiting so long for it, or until one ends; whether there was anything."""
        ready = [pipe for pipe in wait([*pipes, *sentinels], seconds) if isinstance(pipe, Connection)]
        for pipe in ready:
            try:
                name, *arguments = pipe.recv()
            except (EOFError, OSError):
                del pipes[pipe]
                continue
            if name == "heartbeat":
                self.heartbeats[pipes[pipe]] = arguments[0]
            elif name == "failed":
                self.failures[pipes[pipe]] = arguments[0]
            elif name == "trained":
                self.trained = arguments[0]
            else:
                hooks: dict[str, Callable[..., None]] = {
                    "start": self.hooks.on_start,
                    "step": self.hooks.on_step,
                    "warn": self.hooks.warn,
                }
                hooks[name](*arguments)
        return bool(ready)

    def _failure(self, exited: ProcessException | None) -> Exception:
        """The exception for what the processes met: causes before their consequences."""
        for kind in _CAUSES:
            for error in (self.failures[rank] for rank in sorted(self.failures)):
                if isinstance(error, kind):
                    return self._named(error)
        if exited is not None and getattr(exited, "signal_name", None) == "SIGTERM":
            # before its processes could hear of it: a cluster's SIGTERM goes to all of a job
            return StoppedError("a process was told to end (SIGTERM)")
        last = " / ".join(line for path in sorted(self.folder.glob("output-*.txt")) for line in _last_lines(path))
        return WorkerGroupError(f"{exited or 'the processes ended without a result'}: {last}")

    def _named(self, error: Exception) -> Exception:
        processes = self.job.execution.processes
        silent = processes - len(self.failures)
        if isinstance(error, WorkerGroupError) and silent:
            return WorkerGroupError(f"{silent} of {processes} processes died without a word (killed?); {error}")
        return error


def _last_lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]


def _loopback() -> str | None:
    """The name of this machine's loopback interface, `lo` or `lo0`; None where it has another."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in ("lo", "lo0") if name in names), None)


def end(processes: Sequence[BaseProcess]) -> None:
    """End processes, with time for a checkpoint; kill those that do not end."""
    for process in processes:
        process.terminate()
    last = time.monotonic() + _GRACE_SECONDS
    for process in processes:
        process.join(max(0.0, last - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
