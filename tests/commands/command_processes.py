"""A folder with a small paper, and commands on it: each in a process of its own, where faults are injected.

A server that has imported everything once forks a process for each command, in a process group of its own, whose
workers are forked likewise: a run takes a second, and is the real command with real workers. `spawned=True` starts it
as a user does instead.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fault_injection import HERE, ORDERS, STEPS, Orders, command
from small_paper import IDENTITY, RULES, TABLE

from repro.files import read
from repro.store.record import decode
from repro.store.store import Store

PROJECT = Path(__file__).parents[2]
PAPER = f"""{IDENTITY}
[protocol.train]
iterations = {STEPS}000
[protocol.model]
multi_grid = [1, 2, 4]
units = [1, 1, 1, 3]
"""
CRF = """evaluate.crf = { w1 = [2, 6], sigma_alpha = 6, sigma_beta = [5, 20], w2 = 1, sigma_gamma = 1, iterations = 2, \
search_images = 3, refinements = 1 }
"""


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, or minus the signal that killed it; all that it said."""

    code: int
    output: str


class Home:
    """A folder with a paper of two cells, one of which has a searched CRF; a store; reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs, self.out = folder / "runs", folder / "out"

    def make(self) -> Home:
        """Write the paper."""
        (self.folder / "deep").mkdir(parents=True)
        (self.folder / "deep/paper.toml").write_text(PAPER + RULES.replace("0.0002", "0.00005"))
        (self.folder / "deep/table1.toml").write_text(TABLE + CRF)
        return self

    def words(self, verb: str, *more: str) -> list[str]:
        """A command on it."""
        command_line = [verb, "deep1", "--tables", f"{self.folder}/deep", "--scale", "smoke", "--store", str(self.runs)]
        command_line += ["--out", str(self.out)] if verb in ("run", "report") else []
        return [*command_line, *(("--device", "cpu") if verb == "run" else ()), *more]

    def run(self, *more: str, **orders: Any) -> End:
        """`repro run` to its end."""
        return self.do("run", *more, **orders)

    def do(self, verb: str, *more: str, words: Sequence[str] = (), **orders: Any) -> End:
        """A command to its end; killed when it asks for it."""
        return self.start(*(words or self.words(verb, *more)), **orders).end()

    def start(self, *words: str, spawned: bool = False, delay: float = 0.0, **orders: Any) -> Running:
        """Begin a command. `delay`: seconds from its wish to be killed to the kill."""
        return Running(self, Orders(str(self.folder), **orders), words, spawned, delay)

    def records(self) -> dict[str, Any]:
        """Key -> what was measured, checksums of the files, of all that is stored; every byte checked."""
        records, store = {}, Store(self.runs, warn=lambda _text: None)
        for kind in ("training", "evaluation"):
            for path in sorted(store.folder(kind, "x").parent.glob("[!.]*")):
                whole = store.get(kind, path.name)
                if whole is not None:
                    records[path.name] = (without_times(whole["result"]), whole["files"])
        return records

    def segmentations(self) -> set[str]:
        """Keys of stored trainings that were trained to segment."""
        records = {path.parent.name: record_of(path.parent) for path in self.runs.glob("trainings/*/record.json")}
        return {key for key, record in records.items() if record["task"] == "segment"}

    def training_of(self, evaluation: str) -> str:
        """Key of the training that an evaluation measures."""
        return str(record_of(self.runs / "evaluations" / evaluation)["training"])

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Key of a record -> inode and time of its file: a record that is stored does not change."""
        seen = {path.parent.name: path.stat() for path in self.runs.glob("[te]*s/*/record.json")}
        return {key: (stat.st_ino, stat.st_mtime_ns) for key, stat in seen.items()}

    def noted(self) -> list[dict[str, Any]]:
        """What the runs did, in order."""
        path = self.folder / "noted"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def left(self) -> list[str]:
        """Files and folders that are only there while something is written."""
        left = [path for path in (*self.runs.rglob("*"), *self.out.rglob("*")) if path.name.endswith(".part")]
        left += self.runs.glob("incoming/*")
        return sorted(str(path.relative_to(self.folder)) for path in left)


def side_by_side(calls: Sequence[Callable[[], Any]], at_once: int = 4) -> list[Any]:
    """What each gives, in order; so many at a time, as they mostly wait."""
    with ThreadPoolExecutor(at_once) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def without_times(value: Any) -> Any:
    """A result without what a clock measured."""
    if isinstance(value, dict):
        clocks = ("seconds", "images_per_second")
        return {name: without_times(part) for name, part in value.items() if name not in clocks}
    return value


class Running:
    """A command that runs."""

    def __init__(self, home: Home, orders: Orders, words: Sequence[str], spawned: bool, delay: float) -> None:
        self.delay, self.killed = delay, False
        self.output = home.folder / f"output-{os.urandom(4).hex()}"
        killer = home.folder / "killer"
        if not killer.exists():
            os.mkfifo(killer)
        self._wishes = os.open(killer, os.O_RDWR | os.O_NONBLOCK)
        if spawned:
            self._spawned: subprocess.Popen[bytes] | None = self._spawn(orders, words)
            self.pid = self._spawned.pid
        else:
            self._spawned = None
            self._process = SERVER.Process(target=command, args=(orders, words, str(self.output)))
            with ONE_AT_A_TIME:
                self._process.start()
            assert self._process.pid
            self.pid = self._process.pid

    def _spawn(self, orders: Orders, words: Sequence[str]) -> subprocess.Popen[bytes]:
        path = os.pathsep.join((str(PROJECT), str(HERE)))
        environment = {**os.environ, "PYTHONPATH": path, ORDERS: json.dumps(asdict(orders))}
        with self.output.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, HERE / "fault_injection.py", *words],
                env=environment, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def over(self) -> int | None:
        """Its exit code, once it has one."""
        if self._spawned is not None:
            return self._spawned.poll()
        with ONE_AT_A_TIME:
            return self._process.exitcode

    def kill(self) -> None:
        """SIGKILL for every process of its group."""
        self.killed = True
        for _ in range(100):
            try:
                os.killpg(self.pid, signal.SIGKILL)
                return
            except ProcessLookupError:  # not yet a group of its own, or over
                time.sleep(0.01)

    def end(self, seconds: float = 300.0) -> End:
        """Wait for its end; kill it when it asks for it."""
        last = time.monotonic() + seconds
        while self.over() is None:
            ready, _, _ = select.select([self._wishes], [], [], 0.05)
            if ready and not self.killed:
                os.read(self._wishes, 100)
                time.sleep(self.delay)
                self.kill()
            if time.monotonic() > last:
                self.kill()
                raise AssertionError(f"no end after {seconds} s: {self.output.read_text()[-2000:]}")
        code = self.over()
        assert code is not None
        # workers die with their parent's group, some milliseconds after it
        wait_until(lambda: not alive(self.pid))
        os.close(self._wishes)
        return End(code, self.output.read_text(errors="replace") if self.output.exists() else "")


def alive(group: int) -> bool:
    """Whether a process of the group still runs; those that wait to be buried do not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(of) == group and state != "Z":
            return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "waited too long"
        time.sleep(0.05)


def record_of(folder: Path) -> dict[str, Any]:
    """A record as it is on the disk."""
    return decode(read(folder / "record.json"))


ONE_AT_A_TIME = threading.Lock()
"""Of the server's processes: two threads that ask for an exit code at once would take it from each other."""
SERVER = multiprocessing.get_context("forkserver")
