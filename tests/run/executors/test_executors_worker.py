from __future__ import annotations

import multiprocessing
import threading

import pytest

from repro.run.executors import worker
from repro.run.executors.worker import QUIT, STOP, _Inbox, _Outbox, describe
from repro.run.progress.events import TrainingDone, TrainingStep


@pytest.fixture
def pipe():
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def exits(monkeypatch):
    """The exit codes with which an inbox would have ended this process."""
    codes: list[int] = []
    monkeypatch.setattr(worker, "_GRACE_SECONDS", 0.0)
    monkeypatch.setattr("os._exit", codes.append)
    return codes


def test_jobs_and_stops_are_heard_while_busy(pipe, exits):
    parent, child = pipe
    inbox = _Inbox(child)
    parent.send_bytes(b"a job")
    assert inbox.jobs.get(timeout=10) == b"a job"
    assert not inbox.stop.is_set()
    parent.send_bytes(STOP)
    assert inbox.stop.wait(10)
    assert exits == []
    parent.close()
    inbox.thread.join(10)


def test_a_worker_without_parent_stops_and_then_ends_itself(pipe, exits):
    parent, child = pipe
    inbox = _Inbox(child)
    parent.close()
    inbox.thread.join(10)
    assert inbox.stop.is_set()
    assert inbox.jobs.get(timeout=10) == QUIT
    assert exits == [1]


def test_what_nobody_hears_stops_the_job(pipe):
    parent, child = pipe
    stop = threading.Event()
    outbox = _Outbox(child, stop)
    parent.close()
    outbox.send(TrainingDone("k", 1.0))
    assert stop.is_set()


def test_of_many_steps_few_are_told_and_other_events_all(pipe):
    parent, child = pipe
    outbox = _Outbox(child, threading.Event())
    for step in range(1000):
        outbox.send(TrainingStep("k", step, 0.5, 0.001))
    for _ in range(3):
        outbox.send(TrainingDone("k", 1.0))
    told = []
    while parent.poll():
        told.append(parent.recv())
    assert told[0] == TrainingStep("k", 0, 0.5, 0.001)
    assert told[-3:] == [TrainingDone("k", 1.0)] * 3
    assert len(told) < 100


def test_an_exception_is_described_in_one_line():
    assert describe(RuntimeError("out of memory\nTry this")) == "RuntimeError: out of memory"
    assert describe(ValueError()) == "ValueError"
