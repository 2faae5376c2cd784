"""Nothing outlives the worker that started it: torchrun and its processes end when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    env = {**os.environ, **more, "PYTHONPATH": str(ROOT)}
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


@needs_proc
def test_torchrun_and_its_processes_end_with_a_killed_worker(
    started: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    """A stand-in for the worker starts torchrun with two processes; each writes down its number."""
    (tmp_path / "sleeping_rank.py").write_text(
        "import os\nfrom pathlib import Path\nfrom repro.run.distributed.launcher import LAUNCHER\n"
        "from repro.run.distributed.parent import end_with\nend_with(int(os.environ[LAUNCHER]))\n"
        f"Path({str(tmp_path)!r}, 'rank-' + os.environ['RANK']).write_text(str(os.getpid()))\n{SLEEPER}\n"
    )
    worker = (
        "import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'repro.run.distributed.launcher', "
        "str(os.getpid()), '--standalone', '--nproc-per-node', '2', "
        f"{str(tmp_path / 'sleeping_rank.py')!r}]); print(p.pid, flush=True); p.wait()"
    )
    process = _start(started, "-c", worker, OMP_NUM_THREADS="1")
    assert process.stdout is not None
    pids = [int(process.stdout.readline())]
    notes = [tmp_path / "rank-0", tmp_path / "rank-1"]
    end = time.monotonic() + 60
    while not all(note.exists() and note.read_text() for note in notes) and time.monotonic() < end:
        time.sleep(0.05)
    pids += [int(note.read_text()) for note in notes]
    time.sleep(0.5)
    # a cluster's word that time is up is not for these
    for pid in pids:
        os.kill(pid, signal.SIGUSR2)
    time.sleep(0.5)
    assert all(_alive(pid) for pid in pids)
    process.kill()
    process.wait()
    assert _gone_within(10, pids)
