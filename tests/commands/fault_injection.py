"""What goes wrong around a command in this process and its workers: killed, refused a write, short of disk.

What a run computes is noted in a file; Python's audit events show each file that it is about to open, make, rename or
remove.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from repro.run import execute as executing
from repro.run import session
from repro.run.executors import local
from repro.run.progress.events import TrainingStarted, TrainingStep
from repro.train import checkpoint

HERE, PROJECT = Path(__file__).parent, Path(__file__).parents[2]
ORDERS = "REPRO_ATTACK"
STEPS, APART = 12, 3
"""Of a training, and between two of its checkpoints."""
PLACES = {"checkpoints": "checkpoint", "incoming": "record", "trainings": "record", "evaluations": "record",
          "cache": "cache", "locks": "lock", "damaged": "damage"}  # fmt: skip
WRITES = {"os.rename": 1, "os.mkdir": 0, "os.link": 1, "os.symlink": 1}
REMOVALS = {"os.remove": 0, "os.rmdir": 0}


@dataclass(frozen=True)
class Orders:
    """What shall happen to a run in the folder `home`, whose `runs` and `out` are watched."""

    home: str
    kill_in: str = ""
    """Phase: training, checkpoint, record, cache, report. Ask to be killed in it,"""
    kill_at: int = 0
    """at the operation (or the step of a training) of this number,"""
    wait: bool = True
    """doing nothing more; else go on meanwhile."""
    refuse: int = 0
    """An errno for writes below `runs` and `out`,"""
    from_write: int = 0
    """from this one on, of all processes together,"""
    to_write: int = sys.maxsize
    """up to this one;"""
    removals: bool = False
    """and for removals."""
    unreadable: int = 0
    """Inode of a file that may not be opened."""
    file_bytes: int = 0
    """No file may become larger."""


class FaultInjector:
    """The audit hook of a process and of the workers that it forks."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.home = os.path.realpath(orders.home) + os.sep
        self.writes = multiprocessing.RawValue("i", 0)
        self.operations = 0
        self.quiet = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.quiet or not (event == "open" or event in WRITES or event in REMOVALS):
            return
        path = self._path(arguments[{**WRITES, **REMOVALS}.get(event, 0)])
        if path is None:
            return
        self.quiet = True
        try:
            self._inject(event, path, arguments)
        finally:
            self.quiet = False

    def _path(self, path: object) -> str | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        whole = os.path.abspath(os.fsdecode(path))
        return whole.removeprefix(self.home) if whole.startswith((f"{self.home}runs", f"{self.home}out")) else None

    def _inject(self, event: str, path: str, arguments: tuple[Any, ...]) -> None:
        orders = self.orders
        writes = event in WRITES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if event == "open" and orders.unreadable and self._inode(path) == orders.unreadable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.home + path)
        if orders.refuse and (writes or (orders.removals and event in REMOVALS)):
            self.writes.value += 1
            at = self.writes.value
            if orders.from_write <= at <= orders.to_write:
                raise OSError(orders.refuse, os.strerror(orders.refuse), self.home + path)
        if (writes or event in REMOVALS) and self.phase(path) == orders.kill_in:
            self.reach()

    def _inode(self, path: str) -> int:
        try:
            return os.lstat(self.home + path).st_ino
        except OSError:
            return 0

    @staticmethod
    def phase(path: str) -> str:
        """Of a path below home."""
        parts = Path(path).parts
        return "report" if parts[0] == "out" else PLACES.get(parts[1] if len(parts) > 1 else "", "")

    def reach(self) -> None:
        """Be at another operation of the phase."""
        self.operations += 1
        if self.operations != self.orders.kill_at:
            return
        os.write(os.open(Path(self.home) / "killer", os.O_WRONLY), b"x")
        if self.orders.wait:
            time.sleep(60)


def note(orders: Orders, **facts: object) -> None:
    """Add a line to what is known of the runs in a folder."""
    descriptor = os.open(Path(orders.home) / "noted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps({"process": os.getpgrp(), **facts}) + "\n").encode())
    os.close(descriptor)


def inject_faults(orders: Orders) -> None:
    """Let this process, and what it forks, meet what was ordered; note what it computes."""
    injector = FaultInjector(orders)
    sys.addaudithook(injector)
    if orders.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (orders.file_bytes, resource.RLIM_INFINITY))
    train, evaluate, real = executing._train, executing._evaluate, executing.execute

    def trained(job, store, *rest):
        stored = store.file("training", job.training.key, "record.json").exists()
        there = checkpoint.saved(store.root / "checkpoints" / job.training.key)
        newest = int(there[0].name.removeprefix("step-")) if there else 0
        note(orders, did="train", key=job.training.key, stored=stored, newest=newest)
        train(job, store, *rest)

    def evaluated(job, group, store, *rest):
        for evaluation in group:
            stored = store.file("evaluation", evaluation.key, "record.json").exists()
            note(orders, did="evaluate", key=evaluation.key, stored=stored)
        return evaluate(job, group, store, *rest)

    def execute(job, store, device, emit, should_stop):
        def noted(event):
            if isinstance(event, TrainingStarted):
                note(orders, did="start", key=event.key, step=event.resumed_at)
            if isinstance(event, TrainingStep) and orders.kill_in == "training":
                injector.reach()
            emit(event)

        real(replace(job, checkpoint_steps=APART), store, device, noted, should_stop)

    executing._train, executing._evaluate, executing.execute = trained, evaluated, execute


def execute(*arguments: Any) -> None:
    """What a worker that was spawned executes."""
    if executing.execute.__module__ == "repro.run.execute":
        inject_faults(Orders(**json.loads(os.environ[ORDERS])))
    executing.execute(*arguments)


def command(orders: Orders, arguments: Sequence[str], output: str) -> None:
    """The command line in this new process: what it writes to stdout and stderr goes to the file `output`."""
    os.setsid()
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    fork = multiprocessing.get_context("fork")
    local.multiprocessing.get_context = lambda _kind: fork
    inject_faults(orders)
    main(arguments)


def main(arguments: Sequence[str]) -> None:
    """The command line."""
    from repro.__main__ import main

    sys.argv = ["repro", *arguments]
    main()


if __name__ == "__main__":
    session.EXECUTE = "fault_injection:execute"
    import fault_injection  # by the name that workers know

    fault_injection.inject_faults(Orders(**json.loads(os.environ[ORDERS])))
    main(sys.argv[1:])
