from __future__ import annotations

import signal
import time

import pytest
from store_records import python

from repro.errors import InputError
from repro.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_a_lock_is_held_by_one(store):
    with store.try_lock("k") as ours:
        assert ours
        with Store(store.root).try_lock("k") as second:
            assert not second
        with store.try_lock("other") as other:
            assert other
    with store.try_lock("k") as ours:
        assert ours


def test_a_lock_is_released_by_an_exception(store):
    with pytest.raises(RuntimeError), store.try_lock("k"):
        raise RuntimeError
    with store.try_lock("k") as ours:
        assert ours


HOLD = """
import sys, time; from pathlib import Path
from repro.store.store import Store
with Store(Path(sys.argv[1])).lock("k"):
    print("held", flush=True); time.sleep(float(sys.argv[2]))
"""


def test_the_lock_of_a_killed_process_does_not_block(store):
    process = python(HOLD, store.root, 60)
    assert process.stdout.readline() == "held\n"
    with store.try_lock("k") as ours:
        assert not ours
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with store.try_lock("k") as ours:
        assert ours


def test_lock_waits_for_its_turn(store):
    process = python(HOLD, store.root, 0.5)
    assert process.stdout.readline() == "held\n"
    began = time.monotonic()
    with store.lock("k"):
        assert time.monotonic() - began > 0.3
    process.communicate()


def test_a_lock_that_can_not_be_made_is_the_users_to_repair(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a directory"), Store(tmp_path / "file").try_lock("k"):
        pass
