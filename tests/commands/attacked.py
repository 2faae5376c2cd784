"""Commands in processes of their own, with what goes wrong around them: killed, refused a write, short of disk.

A server that has imported everything once forks a process for each command, in a process group of its own, whose
workers are forked likewise: a run takes a second, and is the real command with real workers. `spawned=True` starts it
as a user does instead. What a run computes is noted in a file; Python's audit events show each file that it is about to
open, make, rename or remove.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from small_paper import IDENTITY, RULES, TABLE

from repro.files import read
from repro.run import execute as executing
from repro.run import session
from repro.run.executors import local
from repro.run.progress.events import TrainingStarted, TrainingStep
from repro.store.record import decode
from repro.store.store import Store
from repro.train import checkpoint

HERE, PROJECT = Path(__file__).parent, Path(__file__).parents[2]
ORDERS = "REPRO_ATTACK"
STEPS, APART = 12, 3
"""Of a training, and between two of its checkpoints."""
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


class Attack:
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
            self._meet(event, path, arguments)
        finally:
            self.quiet = False

    def _path(self, told: object) -> str | None:
        if not isinstance(told, str | bytes | os.PathLike):
            return None
        path = os.path.abspath(os.fsdecode(told))
        return path.removeprefix(self.home) if path.startswith((f"{self.home}runs", f"{self.home}out")) else None

    def _meet(self, event: str, path: str, arguments: tuple[Any, ...]) -> None:
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


def note(orders: Orders, **told: object) -> None:
    """Add a line to what is known of the runs in a folder."""
    descriptor = os.open(Path(orders.home) / "noted", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps({"process": os.getpgrp(), **told}) + "\n").encode())
    os.close(descriptor)


def attack(orders: Orders) -> None:
    """Let this process, and what it forks, meet what was ordered; note what it computes."""
    met = Attack(orders)
    sys.addaudithook(met)
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
        for one in group:
            stored = store.file("evaluation", one.key, "record.json").exists()
            note(orders, did="evaluate", key=one.key, stored=stored)
        return evaluate(job, group, store, *rest)

    def execute(job, store, device, emit, should_stop):
        def told(event):
            if isinstance(event, TrainingStarted):
                note(orders, did="start", key=event.key, step=event.resumed_at)
            if isinstance(event, TrainingStep) and orders.kill_in == "training":
                met.reach()
            emit(event)

        real(replace(job, checkpoint_steps=APART), store, device, told, should_stop)

    executing._train, executing._evaluate, executing.execute = trained, evaluated, execute


def execute(*told: Any) -> None:
    """What a worker that was spawned executes."""
    if executing.execute.__module__ == "repro.run.execute":
        attack(Orders(**json.loads(os.environ[ORDERS])))
    executing.execute(*told)


def command(orders: Orders, words: Sequence[str], told: str) -> None:
    """The command line in this new process: what it writes to stdout and stderr goes to the file `told`."""
    os.setsid()
    descriptor = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    fork = multiprocessing.get_context("fork")
    local.multiprocessing.get_context = lambda _kind: fork
    attack(orders)
    main(words)


def main(words: Sequence[str]) -> None:
    """The command line."""
    from repro.__main__ import main

    sys.argv = ["repro", *words]
    main()


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, or minus the signal that killed it; all that it said."""

    code: int
    told: str


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
        told = [verb, "deep1", "--tables", f"{self.folder}/deep", "--scale", "smoke", "--store", str(self.runs)]
        told += ["--out", str(self.out)] if verb in ("run", "report") else []
        return [*told, *(("--device", "cpu") if verb == "run" else ()), *more]

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
        found, store = {}, Store(self.runs, warn=lambda _text: None)
        for kind in ("training", "evaluation"):
            for path in sorted(store.folder(kind, "x").parent.glob("[!.]*")):
                whole = store.get(kind, path.name)
                if whole is not None:
                    found[path.name] = (without_times(whole["result"]), whole["files"])
        return found

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


def side_by_side(attacks: Sequence[Callable[[], Any]], at_once: int = 4) -> list[Any]:
    """What each gives, in order; so many at a time, as they mostly wait."""
    with ThreadPoolExecutor(at_once) as pool:
        return [one.result() for one in [pool.submit(attack) for attack in attacks]]


def without_times(value: Any) -> Any:
    """A result without what a clock measured."""
    if isinstance(value, dict):
        clocks = ("seconds", "images_per_second")
        return {name: without_times(one) for name, one in value.items() if name not in clocks}
    return value


class Running:
    """A command that runs."""

    def __init__(self, home: Home, orders: Orders, words: Sequence[str], spawned: bool, delay: float) -> None:
        self.delay, self.killed = delay, False
        self.told = home.folder / f"told-{os.urandom(4).hex()}"
        killer = home.folder / "killer"
        if not killer.exists():
            os.mkfifo(killer)
        self._wishes = os.open(killer, os.O_RDWR | os.O_NONBLOCK)
        if spawned:
            self._spawned: subprocess.Popen[bytes] | None = self._spawn(orders, words)
            self.pid = self._spawned.pid
        else:
            self._spawned = None
            self._process = SERVER.Process(target=command, args=(orders, words, str(self.told)))
            with ONE_AT_A_TIME:
                self._process.start()
            assert self._process.pid
            self.pid = self._process.pid

    def _spawn(self, orders: Orders, words: Sequence[str]) -> subprocess.Popen[bytes]:
        path = os.pathsep.join((str(PROJECT), str(HERE)))
        environment = {**os.environ, "PYTHONPATH": path, ORDERS: json.dumps(asdict(orders))}
        with self.told.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, HERE / "attacked.py", *words],
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
                raise AssertionError(f"no end after {seconds} s: {self.told.read_text()[-2000:]}")
        code = self.over()
        assert code is not None
        # workers die with their parent's group, some milliseconds after it
        wait_until(lambda: not alive(self.pid))
        os.close(self._wishes)
        return End(code, self.told.read_text(errors="replace") if self.told.exists() else "")


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

if __name__ == "__main__":
    session.EXECUTE = "attacked:execute"
    import attacked  # by the name that workers know

    attacked.attack(Orders(**json.loads(os.environ[ORDERS])))
    main(sys.argv[1:])
