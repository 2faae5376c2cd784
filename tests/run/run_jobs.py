"""Throw-away jobs for the executor's tests: they sleep, fail, die or wait as told, and count their executions in files."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repro.errors import InputError
from repro.run.events import Event, Message, Stopped, TrainingDone, TrainingStarted, TrainingStep
from repro.store.store import Store


@dataclass(frozen=True)
class Job:
    """Do `steps` of `step_seconds`, then `ending`: done, or raise, input_error, or a signal's name."""

    key: str
    log: Path
    steps: int = 1
    step_seconds: float = 0.0
    ending: str = "done"


def training(key: str) -> dict[str, object]:
    """Return a record as `execute` below stores it."""
    return {
        "task": "segment", "config": {"key": key}, "seed": 0, "parent": None, "data_fingerprint": "d",
        "code": {"digest": "c", "modules": {}}, "result": {"device": "cpu"},
    }  # fmt: skip


def execute(
    job: Job, store: Store, device: str, emit: Callable[[Event], None], should_stop: Callable[[], bool]
) -> None:
    if store.get("training", job.key) is None:
        checkpoint = store.checkpoint_dir(job.key) / "step"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        emit(TrainingStarted(job.key, job.steps, done))
        for step in range(done + 1, job.steps + 1):
            if should_stop():
                checkpoint.write_text(str(step - 1))
                emit(Stopped(job.key))
                return
            with (job.log / f"{job.key}.steps").open("a") as file:
                file.write(f"{step} {time.time():.3f} {os.getpid()} {device}\n")
            time.sleep(job.step_seconds)
            emit(TrainingStep(job.key, step, 1.0 / step, job.step_seconds))
        if job.ending == "raise":
            raise RuntimeError("the loss is not finite\nmore")
        if job.ending == "input_error":
            raise InputError("train.txt: line 3: a.png is missing. Restore it.")
        if job.ending != "done":
            os.kill(os.getpid(), signal.Signals[job.ending])
            time.sleep(5)
        store.put("training", job.key, training(job.key), {"weights.safetensors": lambda path: path.write_bytes(b"w")})
    emit(TrainingDone(job.key, 1.0))


def threads(
    job: str, store: Store, device: str, emit: Callable[[Event], None], should_stop: Callable[[], bool]
) -> None:
    emit(Message(os.environ["OMP_NUM_THREADS"]))
