"""Nothing outlives the worker that started it: the processes of a group end when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from repro.run.distributed import ddp_worker, worker_group
from repro.run.job import ExecutionOptions
from repro.store.store import Store
from repro.train.context import Hooks

ROOT = Path(__file__).parents[3]
SLEEPER = "import time; time.sleep(60)"
"""A process of a worker group that hears of nothing."""
PARENT = f"""
import os, subprocess, sys, time
child = "import os, sys; from repro.run.distributed.parent import end_with; end_with(int(sys.argv[1])); {SLEEPER}"
print(subprocess.Popen([sys.executable, "-c", child, str(os.getpid())]).pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _start(started: list[subprocess.Popen[str]], *command: str, **more: str) -> subprocess.Popen[str]:
    env = {**os.environ, **more, "PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent)))}
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=env)
    started.append(process)
    return process


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def _gone_within(seconds: float, pids: list[int]) -> bool:
    end = time.monotonic() + seconds
    while any(_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(_alive(pid) for pid in pids)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells whether a process lives by /proc")


@needs_proc
def test_a_child_ends_with_its_parent(started: list[subprocess.Popen[str]]) -> None:
    parent = _start(started, "-c", PARENT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(1.0)
    assert _alive(child)
    parent.kill()
    parent.wait()
    assert _gone_within(5, [child])


@needs_proc
def test_a_child_whose_parent_is_gone_before_it_looks_ends_at_once() -> None:
    told = f"from repro.run.distributed.parent import end_with; end_with(1 << 30); {SLEEPER}"
    done = subprocess.run([sys.executable, "-c", told], env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30)
    assert done.returncode == 1


def sleeper(rank: int, pipes: Sequence[Connection], told: ddp_worker.Assignment) -> None:
    """Begin as a group's process does, write down this process's number, and hear of nothing any more."""

    def train(*_: object) -> None:
        (told.folder / f"rank-{rank}").write_text(str(os.getpid()))
        time.sleep(60)

    ddp_worker._train = train
    ddp_worker.main(rank, pipes, told)


def start(folder: str) -> None:
    """What a worker does: start a group of two, and look after it."""
    execution = ExecutionOptions(processes=2)
    job = SimpleNamespace(execution=execution, label="x", training=SimpleNamespace(key="k"))
    group = worker_group._WorkerGroup(job, Store(Path(folder)), "cpu", Hooks(folder=Path(folder)))  # type: ignore[arg-type]
    group.main = sleeper  # type: ignore[misc]
    group.run()


@needs_proc
def test_a_groups_processes_end_with_a_killed_worker(started: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    code = "import sys, test_distributed_parent; test_distributed_parent.start(sys.argv[1])"
    process = _start(started, "-c", code, str(tmp_path), OMP_NUM_THREADS="1")

    def notes() -> list[Path]:
        return [path for path in tmp_path.glob("workers-*/rank-*") if path.read_text()]

    end = time.monotonic() + 120
    while len(notes()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    pids = [int(note.read_text()) for note in notes()]
    assert len(pids) == 2
    # a cluster's word that time is up, and Ctrl-C, are not for these
    for pid in pids:
        os.kill(pid, signal.SIGUSR2)
        os.kill(pid, signal.SIGINT)
    time.sleep(0.5)
    assert all(_alive(pid) for pid in pids)
    process.kill()
    process.wait()
    assert _gone_within(10, pids)
