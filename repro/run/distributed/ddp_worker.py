"""One of the processes that train a network together.

torchrun starts it: `python -m repro.run.distributed.ddp_worker FOLDER DEVICE`.

The first process tells of its progress in lines of JSON on stdout and leaves the weights in the folder; each process
that fails leaves a file saying why. All end with torchrun, and that with the worker. SIGTERM, which a cluster sends to
every process of a job that must go, is the wish to stop with a checkpoint.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import distributed

from repro.errors import InputError
from repro.files import write
from repro.run.compute import compute
from repro.run.device import torch_device
from repro.run.distributed.heartbeat import HeartbeatWriter
from repro.run.distributed.launcher import LAUNCHER
from repro.run.distributed.parent import end_with
from repro.run.job import Job
from repro.store.errors import unwritable
from repro.train.context import Hooks
from repro.train.distributed import process_group
from repro.train.loop import DivergedError, StoppedError

JOB, STOP, WEIGHTS, REST = "job.pickle", "stop", "trained.safetensors", "trained.json"
_LOOK_SECONDS = 0.5


class OutOfStepError(Exception):
    """The processes found different checkpoints: each would wait for others that are elsewhere."""


def writing(job: Job) -> str:
    """The name of the lock that a worker group's first process holds while it may write checkpoints.

    The training's own lock is the worker's, and ends with it; the processes that it started end a moment later.
    """
    return f"{job.training.key}-checkpoint"


def main(folder: Path, device: str) -> int:
    """Train; the exit code, not 0 where this process failed."""
    end_with(int(os.environ[LAUNCHER]))
    signal.signal(signal.SIGTERM, lambda *_: _asked.__setitem__(0, True))
    job, store, checkpoint_steps = pickle.loads((folder / JOB).read_bytes())
    rank = int(os.environ["RANK"])
    heartbeat_writer = HeartbeatWriter(folder, rank)
    heartbeat_writer.begin()
    try:
        # as a worker sets up its own GPU: the same arithmetic, and a word if there are fewer than processes
        place = torch_device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
        with process_group(place) as dist, store.lock(writing(job)) if dist.is_main else nullcontext():
            hooks = (
                _hooks(folder, checkpoint_steps, heartbeat_writer)
                if dist.is_main
                else _silent(folder, heartbeat_writer)
            )
            trained = compute(job, store, place, hooks, dist)
            if dist.is_main:
                safetensors.torch.save_file(trained.state, folder / WEIGHTS)
                rest = {k: v for k, v in asdict(trained).items() if k != "state"}
                write(folder / REST, json.dumps(rest).encode())
    except StoppedError as error:
        _leave_word(folder, rank, "stopped", error)
    except Exception as error:  # whatever it is, the process that started this one decides
        kinds = {
            torch.OutOfMemoryError: "memory",
            DivergedError: "diverged",
            InputError: "input",
            OutOfStepError: "apart",
        }
        usual = "space" if unwritable(error, store.root) else "error"
        kind = next((name for type_, name in kinds.items() if isinstance(error, type_)), usual)
        _leave_word(folder, rank, kind, error)
        return 1
    return 0


def _hooks(folder: Path, checkpoint_steps: int | None, heartbeat_writer: HeartbeatWriter) -> Hooks:
    """The first process's: it alone is asked whether to stop, writes checkpoints and tells of steps."""
    looked = [0.0, False]

    def on_start(step: int) -> None:
        _begin_together(step, heartbeat_writer)
        _tell("start", step)

    def should_stop() -> bool:
        heartbeat_writer.one_more()
        now = time.monotonic()
        if now - looked[0] > _LOOK_SECONDS:  # the folder may be on a network
            looked[:] = now, (folder / STOP).exists()
        return bool(looked[1]) or _asked[0]

    return Hooks(
        folder=folder.parent,
        checkpoint_steps=checkpoint_steps,
        on_start=on_start,
        on_step=lambda step, loss, seconds: _tell("step", step, loss, seconds),
        should_stop=should_stop,
        tell=lambda text: _tell("tell", text),
    )


def _silent(folder: Path, heartbeat_writer: HeartbeatWriter) -> Hooks:
    """The other processes': they read the checkpoint that the first one reads, and do not decide when to stop."""

    def should_stop() -> bool:
        heartbeat_writer.one_more()
        return False

    return Hooks(
        folder=folder.parent,
        on_start=lambda step: _begin_together(step, heartbeat_writer),
        should_stop=should_stop,
        tell=lambda _text: None,
    )


def _begin_together(step: int, heartbeat_writer: HeartbeatWriter) -> None:
    """See that all processes begin at the same step. Raises OutOfStepError, in each of them, where they don't."""
    ends = torch.tensor([step, -step])
    distributed.all_reduce(ends, distributed.ReduceOp.MAX)
    last, first = int(ends[0]), -int(ends[1])
    if first != last:
        raise OutOfStepError(f"processes found different checkpoints, of steps {first} and {last}")
    heartbeat_writer.step(step)


_asked = [False]
"""Whether to stop, with a checkpoint: asked by SIGTERM, or since nobody listens any more."""


def _tell(*words: Any) -> None:
    try:
        print(json.dumps(words), flush=True)
    except BrokenPipeError:
        _asked[0] = True


def _leave_word(folder: Path, rank: int, kind: str, error: Exception) -> None:
    word = {"kind": kind, "text": str(error), "type": type(error).__name__, "traceback": traceback.format_exc()}
    write(folder / f"word-{rank}.json", json.dumps(word).encode())


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: after a failure NCCL would wait at the interpreter's end for sums that the others never take part in
    os._exit(code)
