"""One of the processes that train a network together, each on a GPU of its own or all on the CPU.

It talks to the worker that started it over a pipe: heartbeats, the reason if it fails, and, from the first process,
progress and what it trained. It ends with its worker. SIGTERM, which a cluster sends to every process of a job that
must go, asks for a stop with a checkpoint; Ctrl-C and SIGUSR2, by which a cluster warns before time is up, are for the
worker alone.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import distributed

from repro.errors import InputError
from repro.run.compute import compute
from repro.run.device import torch_device
from repro.run.distributed.heartbeat import HeartbeatSender
from repro.run.distributed.parent import end_with
from repro.run.job import Job
from repro.store.errors import unwritable
from repro.store.store import Store
from repro.train.context import Hooks
from repro.train.distributed import process_group
from repro.train.loop import DivergedError, StoppedError

WEIGHTS = "trained.safetensors"
STOP = "stop"
"""What the worker sends for a stop with a checkpoint."""


class OutOfStepError(Exception):
    """The processes found different checkpoints: each would wait for others that are elsewhere."""


class WorkerGroupError(Exception):
    """A process of the group failed; the text says how."""


def checkpoint_lock(job: Job) -> str:
    """The name of the lock that a group's first process holds while it may write checkpoints.

    The training's own lock is the worker's, and ends with it; the processes that it started end a moment later.
    """
    return f"{job.training.key}-checkpoint"


@dataclass(frozen=True)
class Assignment:
    """What all processes of a group are told."""

    job: Job
    store: Store
    checkpoints: Path
    checkpoint_steps: int | None
    folder: Path
    """For the trained weights, and for what libraries print."""
    device: str
    """"cpu" or "cuda"."""
    port: int
    """Of the store by which the processes find each other."""
    worker: int
    """Process number."""
    environment: Mapping[str, str]


class _Channel:
    """The pipe to the worker. What cannot be sent is dropped: the process ends with its worker."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()  # heartbeats are sent by a thread of their own
        self._stop = False

    def send(self, *message: Any) -> None:
        with self._lock, suppress(OSError):
            self._pipe.send(message)

    def asked_to_stop(self) -> bool:
        """Whether the worker, or a cluster's SIGTERM, asked for it, or nobody listens any more."""
        self._stop = self._stop or self._pipe.poll()
        return self._stop

    def stop(self, *_: object) -> None:
        self._stop = True


def main(rank: int, pipes: Sequence[Connection], assignment: Assignment) -> None:
    """Train, then end this process: exit code 1 where it failed."""
    for number in (signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    channel = _Channel(pipes[rank])
    signal.signal(signal.SIGTERM, channel.stop)
    for other in pipes:
        if other is not pipes[rank]:
            other.close()
    end_with(assignment.worker)
    os.environ.update(assignment.environment)  # before anything asks for GPUs
    code = 0
    try:
        output = os.open(assignment.folder / f"output-{rank}.txt", os.O_WRONLY | os.O_CREAT, 0o666)
        for stream in (1, 2):  # what libraries print would tear the live picture
            os.dup2(output, stream)
        _train(rank, channel, assignment)
    except StoppedError as error:
        channel.send("failed", error)
    except Exception as error:  # whatever it is, the worker decides
        channel.send("failed", _portable(error, assignment.store))
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: after a failure NCCL would wait at the interpreter's end for sums that the others never take part in
    os._exit(code)


def _train(rank: int, channel: _Channel, assignment: Assignment) -> None:
    heartbeats = HeartbeatSender(rank, channel.send)
    heartbeats.begin()
    # as a worker sets up its own GPU: the same arithmetic, and an error if there are fewer than processes
    device = torch_device(f"cuda:{rank}" if assignment.device == "cuda" else assignment.device)
    size, main_process = assignment.job.execution.processes, rank == 0
    lock = assignment.store.lock(checkpoint_lock(assignment.job)) if main_process else nullcontext()
    with process_group(device, rank, size, assignment.port) as dist, lock:

        def send(*message: Any) -> None:
            if main_process:
                channel.send(*message)

        def on_start(step: int) -> None:
            _begin_together(step, heartbeats)
            send("start", step)

        def should_stop() -> bool:
            heartbeats.one_more()
            return channel.asked_to_stop()  # the first process's answer counts for all

        hooks = Hooks(
            folder=assignment.checkpoints,
            checkpoint_steps=assignment.checkpoint_steps,
            on_start=on_start,
            on_step=lambda *step: send("step", *step),
            should_stop=should_stop,
            warn=lambda text: send("warn", text),
        )
        trained = compute(assignment.job, assignment.store, device, hooks, dist)
        if main_process:
            safetensors.torch.save_file(trained.state, assignment.folder / WEIGHTS)
            send("trained", replace(trained, state={}))


def _begin_together(step: int, heartbeats: HeartbeatSender) -> None:
    """See that all processes begin at the same step. Raises OutOfStepError, in each of them, where they don't."""
    ends = torch.tensor([step, -step])
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    last, first = int(ends[0]), -int(ends[1])
    if first != last:
        raise OutOfStepError(f"processes found different checkpoints, of steps {first} and {last}")
    heartbeats.step(step)


def _portable(error: Exception, store: Store) -> Exception:
    """The error as it can be sent: of a kind that the worker knows, else named in the text."""
    for kind in (InputError, torch.OutOfMemoryError, DivergedError, OutOfStepError):
        if isinstance(error, kind):
            return kind(str(error))
    if unwritable(error, store.root):
        return OSError(errno.ENOSPC, str(error))
    return WorkerGroupError(f"{type(error).__name__}: {error}")
