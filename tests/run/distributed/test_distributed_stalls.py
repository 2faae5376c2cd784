"""No worker group waits for ever without a word: stand-ins for its processes, or real ones, do what may go wrong."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import safetensors.torch
import torch
from filelock import FileLock
from test_distributed_worker_group import PROTOCOL

from repro.plan.chain import training_of
from repro.run.distributed import ddp_worker, heartbeat, worker_group
from repro.run.distributed.ddp_worker import Assignment, OutOfStepError, checkpoint_lock
from repro.run.distributed.heartbeat import Heartbeat
from repro.run.execute import execute
from repro.run.job import ExecutionOptions, Job
from repro.run.progress.events import Message, TrainingDone, TrainingStarted
from repro.run.session import Options, inputs
from repro.spec.load import load_suite
from repro.store.store import Store
from repro.train import checkpoint, loop
from repro.train.context import Hooks
from repro.train.loop import StoppedError, TrainingCurve
from repro.train.training import Trained

Script = Callable[[int, Connection, Assignment], None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


@pytest.fixture
def job(store: Store) -> Job:
    told = inputs(Options((), store=store.root), load_suite(), store)
    return Job(training_of(PROTOCOL, 0, told), (), execution=ExecutionOptions(processes=2), label="block4 seed 0")


class Threads:
    """Threads of this process in place of a group's processes."""

    def __init__(self, script: Script, pipes: Sequence[Connection], told: Assignment) -> None:
        self.processes: list[object] = []
        self.sentinels: dict[int, int] = {}
        own = [Connection(os.dup(pipe.fileno())) for pipe in pipes]  # those that are handed over are closed

        def follow(rank: int, pipe: Connection) -> None:
            with suppress(OSError):  # nobody listens any more
                script(rank, pipe, told)

        self._threads = [threading.Thread(target=follow, args=words, daemon=True) for words in enumerate(own)]
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> bool:  # noqa: ARG002
        return not any(thread.is_alive() for thread in self._threads)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], None]:
    """A function that lets threads do what a script says, in place of a group's processes."""
    monkeypatch.setattr(worker_group, "_GRACE_SECONDS", 1.0)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.1)

    def plant(script: Script) -> None:
        start = lambda _main, words, _count, join: Threads(script, *words)  # noqa: ARG005, E731
        monkeypatch.setattr(worker_group, "start_processes", start)

    return plant


def train(job: Job, store: Store, folder: Path, **hooks: object) -> Trained:
    return worker_group.train_distributed(job, store, "cpu", Hooks(folder=folder, **hooks))  # type: ignore[arg-type]


def test_a_listener_that_fails_ends_the_worker_group_with_its_reason(
    job: Job, store: Store, tmp_path: Path, stand_in: Callable[[Script], None]
) -> None:
    """Where nobody reads any more, the processes would wait as soon as the pipe is full."""

    def chatty(_rank: int, pipe: Connection, _told: Assignment) -> None:
        for step in range(20000):
            pipe.send(("step", step, 1.0, 0.1))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left for scalars")

    stand_in(chatty)
    with pytest.raises(OSError, match="no space left for scalars"):
        train(job, store, tmp_path / "checkpoints", on_step=full)


def test_processes_that_do_not_end_after_their_work_are_ended(
    job: Job, store: Store, tmp_path: Path, stand_in: Callable[[Script], None]
) -> None:
    def lingering(rank: int, pipe: Connection, told: Assignment) -> None:
        if rank == 0:
            pipe.send(("step", 3, 1.5, 0.1))
            safetensors.torch.save_file({"w": torch.ones(2)}, told.folder / ddp_worker.WEIGHTS)
            pipe.send(("trained", Trained({}, TrainingCurve([0], [1.5], [0.1]), 1.0, 2.0, 3, [])))
        time.sleep(60)

    stand_in(lingering)
    steps: list[int] = []
    trained = train(job, store, tmp_path / "checkpoints", on_step=lambda step, *_: steps.append(step))
    assert trained.curve.loss == [1.5]
    assert trained.state["w"].tolist() == [1.0, 1.0]
    assert steps == [3]


def test_a_process_that_ends_in_the_middle_is_told_with_what_it_printed_last(
    job: Job, store: Store, tmp_path: Path, stand_in: Callable[[Script], None]
) -> None:
    def dying(rank: int, pipe: Connection, told: Assignment) -> None:
        (told.folder / f"output-{rank}.txt").write_text("a\nb\nSegmentation fault\n")
        pipe.close()

    stand_in(dying)
    with pytest.raises(worker_group.WorkerGroupError, match=r"ended without a result: .*Segmentation fault$"):
        train(job, store, tmp_path / "checkpoints")


def test_a_worker_group_that_waits_for_ever_begins_again_and_then_fails_with_what_each_was_at(
    job: Job, store: Store, tmp_path: Path, stand_in: Callable[[Script], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "GIVE_UP_SECONDS", 0.5)
    told: list[str] = []
    folders: set[Path] = set()

    def waiting(rank: int, pipe: Connection, told: Assignment) -> None:
        folders.add(told.folder)
        where = f"repro/train/distributed.py:{rank} (all_reduce)"
        pipe.send(("heartbeat", Heartbeat(rank, time.monotonic(), 2, where, True, 1.0)))
        time.sleep(60)

    stand_in(waiting)
    with pytest.raises(
        worker_group.WorkerGroupError, match=r"all 2 processes wait for each other: .* \(after 3 attempts\)"
    ) as caught:
        train(job, store, tmp_path / "checkpoints", warn=told.append)
    where = "process 1, after step 2, waits for the others in repro/train/distributed.py:1 (all_reduce)"
    assert where in str(caught.value)
    assert [text.endswith("Going on from the last checkpoint.") for text in told] == [True, True]
    assert len(folders) == 3  # each in a folder of its own
    assert len(list((tmp_path / "checkpoints").glob("workers-*"))) == 1


def test_a_wish_to_stop_reaches_the_processes(
    job: Job, store: Store, tmp_path: Path, stand_in: Callable[[Script], None]
) -> None:
    def obedient(_rank: int, pipe: Connection, _told: Assignment) -> None:
        assert pipe.recv() == ddp_worker.STOP
        pipe.send(("failed", StoppedError("stopped after step 3 of 5")))

    stand_in(obedient)
    with pytest.raises(StoppedError, match="stopped after step 3 of 5"):
        train(job, store, tmp_path / "checkpoints", should_stop=lambda: True)


def test_processes_at_different_steps_begin_again(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    tried: list[Path] = []

    def run(self: worker_group._WorkerGroup) -> str:
        tried.append(self.folder)
        if len(tried) == 1:
            raise OutOfStepError("processes found different checkpoints, of steps 0 and 2")
        return "trained"

    monkeypatch.setattr(worker_group._WorkerGroup, "run", run)
    assert train(job, store, tmp_path, warn=told.append) == "trained"
    assert told == [
        "processes found different checkpoints, of steps 0 and 2. Going on from the last checkpoint.",
    ]
    assert tried[0] != tried[1]


def test_gloo_uses_the_loopback_interface(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    group = worker_group._WorkerGroup(job, store, "cpu", Hooks(folder=tmp_path))
    assert group._environment()["GLOO_SOCKET_IFNAME"] in ("lo", "lo0")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    assert group._environment() == {}


def test_a_training_is_not_taken_over_while_it_is_still_written(job: Job, store: Store, tmp_path: Path) -> None:
    """A killed worker's lock is free at once; the processes that it started end a moment later."""
    told: list[str] = []
    hooks = Hooks(folder=tmp_path, warn=told.append)
    orphan = FileLock(store.root / "locks" / f"{checkpoint_lock(job)}.lock", thread_local=False)
    worker_group.await_checkpoint_writer(job, store, hooks)
    assert told == []
    orphan.acquire()
    timer = threading.Timer(0.5, orphan.release)
    began = time.monotonic()
    timer.start()
    worker_group.await_checkpoint_writer(job, store, hooks)
    assert time.monotonic() - began >= 0.4
    assert len(told) == 1
    assert "still write" in told[0]
    with orphan, pytest.raises(StoppedError):
        worker_group.await_checkpoint_writer(job, store, replace(hooks, should_stop=lambda: True))


def blind_once(rank: int, pipes: Sequence[Connection], told: Assignment) -> None:
    """The second process does not see the checkpoint the first time."""
    whole, seen = checkpoint.load, told.store.root / "seen"

    def load(*words: object) -> object:
        first = not seen.exists()
        seen.touch()
        return None if first else whole(*words)  # type: ignore[arg-type]

    if rank == 1:
        checkpoint.load = load  # type: ignore[assignment]
    ddp_worker.main(rank, pipes, told)


def late(rank: int, pipes: Sequence[Connection], told: Assignment) -> None:
    """The second process sleeps before its third step."""
    whole = loop.backward

    def backward(*words: object) -> object:
        time.sleep(3600 if rank == 1 and words[-1] == 2 else 0)
        return whole(*words)  # type: ignore[arg-type]

    loop.backward = backward  # type: ignore[assignment]
    ddp_worker.main(rank, pipes, told)


@pytest.mark.slow  # four processes that import torch
def test_a_process_that_finds_another_checkpoint_is_noticed(
    job: Job, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process does not see the checkpoint the first time; without a word all would wait for each other."""
    alone = replace(job, execution=ExecutionOptions())
    steps: list[object] = []
    execute(alone, store, "cpu", steps.append, lambda: len(steps) >= 3)
    assert list(store.checkpoint_dir(job.training.key).glob("step-*"))
    monkeypatch.setattr(worker_group._WorkerGroup, "main", staticmethod(blind_once))
    events: list[object] = []
    execute(job, store, "cpu", events.append, lambda: False)
    told = [event.text for event in events if isinstance(event, Message)]
    assert any("different checkpoints, of steps 0 and" in text for text in told)
    assert isinstance(events[-1], TrainingDone)
    assert [event.resumed_at > 0 for event in events if isinstance(event, TrainingStarted)] == [True]


@pytest.mark.slow  # two processes that import torch, of which one sleeps
def test_a_process_that_never_comes_is_named(
    job: Job, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_group._WorkerGroup, "main", staticmethod(late))
    monkeypatch.setattr(heartbeat, "TELL_SECONDS", 15.0)
    told: list[str] = []
    stop = threading.Event()

    def warn(text: str) -> None:
        told.append(text)
        if "no step finished" in text and "process 1, after step 2" in text:
            stop.set()

    group = worker_group._WorkerGroup(job, store, "cpu", Hooks(folder=tmp_path / "checkpoints", warn=warn))
    monkeypatch.setattr(worker_group, "_GRACE_SECONDS", 1.0)

    def ended() -> bool:
        if stop.is_set():
            raise StoppedError("seen")  # the worker group cannot stop by itself
        return False

    group.hooks = replace(group.hooks, should_stop=ended)
    with pytest.raises(StoppedError, match="seen"):
        group.run()
    said = next(text for text in told if "process 1, after step 2" in text)
    assert said.startswith("training block4 seed 0: no step finished for ")
    assert "process 0, after step 2, waits for the others in repro/" in said
    assert "process 1, after step 2, is in repro/train/loop.py" in said


def test_processes_that_begin_at_the_same_step_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest of (step, -step) over processes: here of this one and of one at `other`."""
    other = [4]

    def largest(ends: torch.Tensor, _: object) -> None:
        ends.copy_(torch.maximum(ends, torch.tensor([other[0], -other[0]])))

    monkeypatch.setattr(torch.distributed, "all_reduce", largest)
    heartbeats = heartbeat.HeartbeatSender(0, lambda *_: None)
    ddp_worker._begin_together(4, heartbeats)
    assert heartbeats.heartbeat().step == 4
    for other[0] in (0, 9):
        with pytest.raises(OutOfStepError, match=f"of steps {min(4, other[0])} and {max(4, other[0])}"):
            ddp_worker._begin_together(4, heartbeats)
