"""Throw-away jobs for the executor's tests: they sleep, fail, die or wait as told, and note each step in a file."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.errors import InputError
from repro.run.executors import loop
from repro.run.executors.job_queue import Outcome
from repro.run.executors.local import LocalExecutor
from repro.run.executors.order import Work
from repro.run.progress.events import Event, Failed, Message, Stopped, TrainingDone, TrainingStarted, TrainingStep
from repro.store.store import Store

EXECUTE = "run_jobs:execute"
Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """Do `steps` of `step_seconds` each, then what `ending` says: a name in `_end` or a signal's name.

    While the file ``closed`` stands beside the log, wait before the first step.
    """

    key: str
    log: Path
    steps: int = 1
    step_seconds: float = 0.0
    ending: str = "done"


def execute(job: Job, store: Store, device: str, emit: Emit, should_stop: Callable[[], bool]) -> None:
    """Do what the store lacks of `job`, as a training does: from its checkpoint, step by step, then a record."""
    if store.get("training", job.key) is None:
        checkpoint = store.checkpoint_dir(job.key) / "step"
        done = int(checkpoint.read_text()) if checkpoint.exists() else 0
        emit(TrainingStarted(job.key, job.steps, done))
        while (job.log / "closed").exists():
            time.sleep(0.01)
        for step in range(done + 1, job.steps + 1):
            if should_stop():
                checkpoint.write_text(str(step - 1))
                emit(Stopped(job.key))
                return
            with (job.log / job.key).open("a") as file:
                file.write(f"{step} {time.monotonic():.4f} {os.getpid()} {device}\n")
            time.sleep(job.step_seconds)
            emit(TrainingStep(job.key, step, 1.0 / step, job.step_seconds))
        _end(job, store, emit)
    emit(TrainingDone(job.key, 1.0))


def _end(job: Job, store: Store, emit: Emit) -> None:
    if job.ending == "raise":
        raise RuntimeError("the loss is not finite\nand more")
    if job.ending == "wrong input":
        raise InputError("train.txt: line 3: a.png is missing. Restore it.")
    if job.ending == "full disk":
        Path("/dev/full").write_bytes(b"checkpoint")
    if job.ending.endswith(" once"):
        been = job.log / f"{job.key}.been"
        if not been.exists():
            been.touch()
            os.kill(os.getpid(), signal.Signals[job.ending.removesuffix(" once")])
    elif job.ending.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[job.ending])
        time.sleep(10)
    record = {
        "task": "segment", "config": {"key": job.key}, "seed": 0, "parent": None, "data_fingerprint": "d",
        "code": {"digest": "c", "modules": {}}, "result": {},
    }  # fmt: skip
    store.put("training", job.key, record, {"weights.safetensors": lambda path: path.write_bytes(b"w")})
    if job.ending == "raise after training":
        raise RuntimeError("evaluation")
    if job.ending == "failed evaluation":
        emit(Failed("e-" + job.key, "its evaluation failed"))


def tell_threads(_job: str, _store: Store, _device: str, emit: Emit, _should_stop: Callable[[], bool]) -> None:
    """Say how many threads torch computes with."""
    import torch

    emit(Message(f"{os.environ['OMP_NUM_THREADS']} {torch.get_num_threads()}"))


def damage_warning(_job: str, store: Store, _device: str, _emit: Emit, _should_stop: Callable[[], bool]) -> None:
    """Meet a damaged record."""
    store.put_failure("k", "training", "reason")
    (store.root / "failures" / "k-1.json").write_text("{")
    store.failures("k")


def warn(job: str, _store: Store, _device: str, emit: Emit, _should_stop: Callable[[], bool]) -> None:
    """Do what numeric libraries like to do."""
    warnings.warn("something\n  is deprecated", UserWarning, stacklevel=1)
    emit(Message(job))


def stubborn(job: Job, _store: Store, device: str, _emit: Emit, _should_stop: Callable[[], bool]) -> None:
    """Never look whether to stop."""
    (job.log / job.key).write_text(f"1 0 {os.getpid()} {device}\n")
    time.sleep(60)


def run(
    work: Sequence[Work], execute: str, store: Store, devices: Sequence[str], listener: Callable[[Event], None]
) -> Outcome:
    """Run jobs in worker processes of this machine."""
    return loop.run(work, LocalExecutor(execute, store, devices), listener)


def works(log: Path, count: int, *, after_first: bool = False, steps: int = 1, step_seconds: float = 0.0) -> list[Work]:
    """Return `count` jobs k0, k1, ..., the first of which all others may wait for."""
    return [
        Work(f"k{n}", Job(f"k{n}", log, steps, step_seconds), after="k0" if after_first and n else None)
        for n in range(count)
    ]


def main(root: str, log: str, count: str, steps: str, step_seconds: str, execute: str = EXECUTE) -> None:
    """Run jobs on two workers and print what happens: for the tests that interrupt or kill a run."""
    print("running", os.getpid(), flush=True)
    outcome = run(
        works(Path(log), int(count), steps=int(steps), step_seconds=float(step_seconds)),
        execute,
        Store(Path(root)),
        ["cpu", "cpu"],
        lambda event: print(event, flush=True),
    )
    print(outcome, flush=True)


if __name__ == "__main__":
    # By its importable name, so that workers find the jobs' class where the parent has it.
    import run_jobs

    run_jobs.main(*sys.argv[1:])
