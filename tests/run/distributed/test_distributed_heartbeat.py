"""Heartbeats of the workers of a training, and what is said, and done, where none of them moves."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import distributed

from repro.run.distributed import heartbeat
from repro.run.distributed.heartbeat import (
    GIVE_UP_SECONDS,
    TELL_SECONDS,
    Heartbeat,
    HeartbeatSender,
    StallDetector,
    StalledError,
    location,
)
from repro.train.synced_batch_norm import distributed_sum


class Clock:
    """A clock that the test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stall_detector(clock: Clock, told: list[str]) -> StallDetector:
    return StallDetector("training x", 2, told.append, clock)


def heartbeats(clock: Clock, **changes: object) -> dict[int, Heartbeat]:
    """Two processes after step 7: the first in a sum, the second at work."""
    waits = Heartbeat(0, clock.now, 7, "repro/train/distributed.py:64 (all_reduce)", True, 40.0)
    works = Heartbeat(1, clock.now, 7, "repro/data/cache.py:52 (cached)", False, 41.0)
    return {0: waits, 1: replace(works, **changes)}  # type: ignore[arg-type]


def test_what_moves_is_not_spoken_of(stall_detector: StallDetector, clock: Clock, told: list[str]) -> None:
    for step in range(100):
        stall_detector.check_progress(heartbeats(clock, step=step))
        clock.now += TELL_SECONDS - 1
    assert told == []


def test_a_worker_group_that_does_not_move_is_told_with_what_each_process_is_at(
    stall_detector: StallDetector, clock: Clock, told: list[str]
) -> None:
    stall_detector.check_progress(heartbeats(clock))
    clock.now += TELL_SECONDS + 1
    stall_detector.check_progress(heartbeats(clock, computed=91.0))
    stall_detector.check_progress(heartbeats(clock, computed=91.0))
    assert told == [
        "training x: no step finished for 2 min; "
        "process 0, after step 7, waits for the others in repro/train/distributed.py:64 (all_reduce), "
        "having computed 0 s since; "
        "process 1, after step 7, is in repro/data/cache.py:52 (cached), having computed 50 s since"
    ]
    clock.now += TELL_SECONDS  # again after twice the time
    stall_detector.check_progress(heartbeats(clock, computed=91.0))
    assert len(told) == 2
    assert "for 4 min" in told[1]
    clock.now += 60
    stall_detector.check_progress(heartbeats(clock, step=8))
    assert told[2] == "training x: goes on, after 5 min"


def test_processes_that_are_silent_or_have_not_begun_are_named(
    stall_detector: StallDetector, clock: Clock, told: list[str]
) -> None:
    clock.now += TELL_SECONDS
    stall_detector.check_progress({})
    assert told[0].endswith("process 0 has not begun; process 1 has not begun")
    first = heartbeats(clock, step=None)
    stall_detector.check_progress(first)
    clock.now += 2 * TELL_SECONDS
    stall_detector.check_progress(first)
    assert "process 1, before its first step, is in repro/data/cache.py:52 (cached) (heard of 4 min ago)" in told[-1]


def test_a_heartbeat_that_is_missing_once_is_no_progress(
    stall_detector: StallDetector, clock: Clock, told: list[str]
) -> None:
    stall_detector.check_progress(heartbeats(clock))
    for _ in range(8):
        clock.now += TELL_SECONDS / 4
        stall_detector.check_progress({0: heartbeats(clock)[0]})
        stall_detector.check_progress(heartbeats(clock))
    assert len(told) == 2


def test_processes_that_wait_for_each_other_for_ever_are_given_up(stall_detector: StallDetector, clock: Clock) -> None:
    stall_detector.check_progress(heartbeats(clock, waits=True))
    clock.now += GIVE_UP_SECONDS - 1
    stall_detector.check_progress(heartbeats(clock, waits=True))
    clock.now += 1
    with pytest.raises(StalledError, match="all 2 processes wait for each other: process 0, after step 7, waits"):
        stall_detector.check_progress(heartbeats(clock, waits=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"waits": False},  # writes a checkpoint, or builds the data set's cache
        {"waits": True, "computed": 41.0 + 0.1 * GIVE_UP_SECONDS},  # computes: a long step, or an overloaded machine
        {"waits": True, "at": 1000.0},  # stands still itself, and may go on
    ],
)
def test_processes_of_which_one_may_yet_come_are_not_given_up(
    stall_detector: StallDetector, clock: Clock, told: list[str], changes: dict[str, object]
) -> None:
    stall_detector.check_progress(heartbeats(clock))
    clock.now += 3 * GIVE_UP_SECONDS
    stall_detector.check_progress(heartbeats(clock, **changes))
    assert len(told) == 1


def test_heartbeats_tell_the_steps() -> None:
    sent: list[Heartbeat] = []
    sender = HeartbeatSender(1, lambda _name, heartbeat: sent.append(heartbeat), 0.02)
    sender.step(4)
    sender.one_more()
    sender.begin()
    deadline = time.monotonic() + 10
    while len(sent) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert {(heartbeat.rank, heartbeat.step) for heartbeat in sent} == {(1, 5)}
    assert sent[0].at < sent[1].at <= time.monotonic()
    assert sent[0].computed > 0


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of one process."""
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("alone")
def test_a_sum_is_seen_as_waiting_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum itself is held up until the other thread has looked."""
    entered, looked = threading.Event(), threading.Event()

    def held_up(*_: object) -> None:
        entered.set()
        looked.wait(10)

    thread = threading.Thread(target=lambda: distributed_sum(torch.ones(3)))
    monkeypatch.setattr(sys.modules["torch.distributed.distributed_c10d"], "_rank_not_in_group", held_up)
    thread.start()
    assert entered.wait(10)
    where, waits = location(sys._current_frames()[thread.ident or 0])
    looked.set()
    thread.join()
    assert where.startswith("repro/train/synced_batch_norm.py:")
    assert where.endswith("(forward)")
    assert waits


def test_elsewhere_is_no_waiting() -> None:
    assert location(sys._getframe()) == ("outside of repro", False)
    assert location(None) == ("outside of repro", False)
    assert heartbeat.HEARTBEAT_SECONDS < TELL_SECONDS < GIVE_UP_SECONDS
