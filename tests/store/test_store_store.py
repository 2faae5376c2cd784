from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
from store_records import evaluation, put_training, python, training, writer

from repro.errors import InputError
from repro.store import store as store_module
from repro.store.record import decode, encode
from repro.store.store import Store


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def store(tmp_path, warnings):
    return Store(tmp_path / "runs", warnings.append)


# -- round trip


def test_what_is_put_is_got_with_its_files(store, tmp_path):
    copied = tmp_path / "pictures.npz"
    copied.write_bytes(b"p" * 10)
    given = evaluation("t1")
    put = store.put("evaluation", "e1", given, {"confusion.npz": writer(b"matrices"), "pictures.npz": copied})
    got = store.get("evaluation", "e1")
    assert got == put == store.peek("evaluation", "e1")
    assert {name: got[name] for name in given} == given
    assert (got["schema"], got["kind"], got["key"]) == (1, "evaluation", "e1")
    sha256 = subprocess.run(["sha256sum", copied], capture_output=True, text=True, check=True).stdout.split()[0]
    assert got["files"]["pictures.npz"] == {"sha256": sha256, "bytes": 10}
    assert store.file("evaluation", "e1", "confusion.npz").read_bytes() == b"matrices"
    assert copied.exists()


def test_nothing_stored_is_none_and_creates_nothing(store):
    assert store.get("training", "k") is None
    assert store.peek("evaluation", "k") is None
    assert store.failures("k") == ()
    assert list(store.records("training")) == []
    assert not store.root.exists()


def test_a_record_never_changes(store):
    first = put_training(store, "k", weights=b"first")
    before = {path: path.read_bytes() for path in store.folder("training", "k").iterdir()}
    assert put_training(store, "k", weights=b"second", seconds=9.0) == first
    assert {path: path.read_bytes() for path in store.folder("training", "k").iterdir()} == before


def test_what_is_stored_is_not_written_again(store):
    put_training(store, "k")

    def never(path: Path) -> None:
        raise AssertionError(path)

    assert store.put("training", "k", training(), {"weights.safetensors": never})["key"] == "k"


def test_all_is_on_the_disk_before_it_is_visible(store, monkeypatch):
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        done.extend((path.name, "renamed"))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    put_training(store, "k")
    record, aside = done[1:3]
    assert record.startswith(".record.json.")
    assert aside.startswith(".k.")
    assert done == ["weights.safetensors", record, aside, aside, "renamed", "trainings"]


def test_a_training_and_an_evaluation_of_one_key_are_two_records(store):
    put_training(store, "k")
    assert store.get("evaluation", "k") is None


def test_a_store_can_be_sent_to_another_process(tmp_path):
    assert pickle.loads(pickle.dumps(Store(tmp_path))) == Store(tmp_path)


def test_numbers_that_json_lacks_leave_nothing(store):
    with pytest.raises(ValueError, match="JSON"):
        put_training(store, "k", seconds=float("nan"))
    assert store.get("training", "k") is None
    assert list((store.root / "incoming").iterdir()) == []


def test_an_incomplete_record_is_refused(store):
    with pytest.raises(ValueError, match="lacks task, parent"):
        store.put("training", "k", evaluation("t"), {})
    assert store.get("training", "k") is None


# -- damage


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["record.json", "weights.safetensors"])
@pytest.mark.parametrize("harm", [shorten, flip_a_bit, Path.unlink])
def test_damage_is_detected_set_aside_and_redone(store, warnings, file, harm):
    put_training(store, "k", weights=b"weights")
    harm(store.file("training", "k", file))
    assert store.get("training", "k") is None
    assert len(warnings) == 1
    assert file in warnings[0]
    assert str(store.folder("training", "k")) in warnings[0]
    assert not store.folder("training", "k").exists()
    assert len(list((store.root / "damaged").iterdir())) == 1
    redone = put_training(store, "k", weights=b"weights")
    assert store.get("training", "k") == redone
    assert len(warnings) == 1


def test_putting_over_a_damaged_record_replaces_it(store, warnings):
    put_training(store, "k", weights=b"old")
    flip_a_bit(store.file("training", "k", "weights.safetensors"))
    put_training(store, "k", weights=b"new")
    assert store.file("training", "k", "weights.safetensors").read_bytes() == b"new"
    assert len(warnings) == 1


def test_peek_sees_sizes_and_get_sees_bytes(store):
    put_training(store, "k")
    flip_a_bit(store.file("training", "k", "weights.safetensors"))
    assert store.peek("training", "k") is not None
    assert store.get("training", "k") is None
    put_training(store, "k")
    shorten(store.file("training", "k", "weights.safetensors"))
    assert store.peek("training", "k") is None


def test_a_record_at_another_records_place_is_damage(store, warnings):
    put_training(store, "k")
    shutil.copytree(store.folder("training", "k"), store.folder("training", "other"))
    assert store.get("training", "other") is None
    assert "is of training k" in warnings[0]
    assert store.get("training", "k") is not None


def test_damage_that_can_not_be_moved_counts_as_absent(store, warnings, monkeypatch):
    put_training(store, "k")
    flip_a_bit(store.file("training", "k", "record.json"))

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "rename", refuse)
    assert store.get("training", "k") is None
    assert "could not be moved away" in warnings[0]


def test_what_was_redone_meanwhile_is_not_set_aside(store, monkeypatch):
    """Between seeing damage and moving it away, another process may have put a whole record there."""
    put_training(store, "k")
    flip_a_bit(store.file("training", "k", "weights.safetensors"))
    lock = Store.lock

    def redone_while_waiting(self, name):
        monkeypatch.setattr(Store, "lock", lock)
        assert store.get("training", "k") is None
        put_training(store, "k", weights=b"redone!")
        return lock(self, name)

    monkeypatch.setattr(Store, "lock", redone_while_waiting)
    assert store.get("training", "k")["files"]["weights.safetensors"]["bytes"] == 7
    assert store.file("training", "k", "weights.safetensors").read_bytes() == b"redone!"


def test_a_record_of_another_version_is_the_users_to_decide(store):
    put_training(store, "k")
    path = store.file("training", "k", "record.json")
    path.write_bytes(encode({**decode(path.read_bytes()), "schema": 7}))
    with pytest.raises(InputError, match=r"record.json: schema: 7 is not 1.*--store"):
        store.get("training", "k")
    assert path.exists()


# -- writing that fails


def test_no_space_while_a_file_is_written(store):
    def to_a_full_device(path: Path) -> None:
        path.symlink_to("/dev/full")
        path.write_bytes(b"w" * 100_000)

    with pytest.raises(InputError, match=rf"{store.root}/trainings/k: no space left.*--store"):
        store.put("training", "k", training(), {"weights.safetensors": to_a_full_device})
    assert store.get("training", "k") is None
    assert list((store.root / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "no space"), (errno.EACCES, "permission"), (errno.EROFS, "read-only")]
)
@pytest.mark.parametrize("step", ["write", "sync", "rename", "mkdir"])
def test_a_refusal_at_any_step_leaves_nothing_visible(store, monkeypatch, number, words, step):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path if step in ("rename", "mkdir") else store_module, step, refuse)
        with pytest.raises(InputError, match=words):
            put_training(store, "k")
    assert store.get("training", "k") is None
    assert not list(store.root.glob("incoming/*"))
    put_training(store, "k")
    assert store.get("training", "k") is not None


def test_a_file_system_that_is_really_full(tmp_path):
    """On a tmpfs of 64 kB, in a mount namespace of its own; skipped where the kernel allows none."""
    code = f"""
import sys; from pathlib import Path
from store_records import put_training
from repro.store.store import Store
store = Store(Path({str(tmp_path)!r}) / "full" / "runs")
put_training(store, "small")
try: put_training(store, "large", weights=bytes(1_000_000))
except Exception as error: print(type(error).__name__, error)
print(store.get("training", "large"), store.get("training", "small")["key"], *(store.root / "incoming").iterdir())
"""
    (tmp_path / "full").mkdir()
    mount = f"mount -t tmpfs -o size=64k tmpfs {tmp_path}/full"
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "sh", "-c", mount]).returncode:
        pytest.skip("no private mounts here")
    process = python(code, before=("unshare", "-rm", "sh", "-c", mount + ' && exec "$@"', "sh"))
    out, err = process.communicate(timeout=30)
    first, second = out.splitlines()
    assert first.startswith(f"InputError {tmp_path}/full/runs/trainings/large: no space left"), err
    assert second == "None small"


def test_prepare_tells_at_once_that_a_store_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: not a directory"):
        Store(tmp_path / "file").prepare()
    with pytest.raises(InputError, match=r"runs: not a directory"):
        Store(tmp_path / "file" / "runs").prepare()


def test_a_killed_writer_leaves_nothing_visible(store):
    """SIGKILL in the middle of writing the second file."""
    code = """
import sys, time; from pathlib import Path
from store_records import evaluation, writer
from repro.store.store import Store
def slow(path):
    path.write_bytes(b"half"); print("writing", flush=True); time.sleep(60)
Store(Path(sys.argv[1])).put("evaluation", "k", evaluation("t"), {"confusion.npz": writer(b"c"), "pictures.npz": slow})
"""
    process = python(code, store.root)
    assert process.stdout.readline() == "writing\n"
    process.kill()
    process.communicate()
    assert store.get("evaluation", "k") is None
    assert list(store.records("evaluation")) == []
    assert len(list((store.root / "incoming").iterdir())) == 1
    with store.temporary_folder("k") as others:  # another writer, at work now
        store.prepare()
        assert list((store.root / "incoming").iterdir()) == [others]
    assert list((store.root / "incoming").iterdir()) == []


def test_what_is_left_where_nothing_can_be_locked_goes_after_a_day(store, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(errno.EBADF, "no locks")))
    left = store.root / "incoming" / ".k.01234567.part"
    left.mkdir(parents=True)
    store.prepare()
    assert left.exists()
    os.utime(left, (0, 0))
    store.prepare()
    assert not left.exists()


def _put_many(root: Path, mark: int, barrier) -> None:
    store = Store(root)
    barrier.wait()
    for number in range(20):
        put_training(store, f"k{number}", weights=b"%d" % mark * 1000, seconds=float(mark))


def test_of_writers_at_the_same_time_one_wins_each_record_whole(store):
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    writers = [context.Process(target=_put_many, args=(store.root, mark, barrier)) for mark in (1, 2, 3)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
        assert process.exitcode == 0
    for number in range(20):
        record = store.get("training", f"k{number}")
        mark = b"%d" % int(record["seconds"])
        assert store.file("training", f"k{number}", "weights.safetensors").read_bytes() == mark * 1000
    assert list((store.root / "incoming").iterdir()) == []


# -- checkpoints, failures


def test_checkpoints_go_when_the_training_is_stored(store):
    folder = store.checkpoint_dir("k")
    (folder / "checkpoint.pt").write_bytes(b"c")
    store.put("evaluation", "k", evaluation("t"), {})
    assert folder.exists()
    put_training(store, "k")
    assert not folder.exists()


def test_checkpoints_of_a_stored_training_are_cleared_away(store):
    put_training(store, "k")
    stored, running = store.checkpoint_dir("k"), store.checkpoint_dir("other")
    store.prepare()
    assert not stored.exists()
    assert running.exists()


def test_failures_are_numbered_and_stay(store):
    store.put_failure("k", "training", "RuntimeError: out\n of memory", "Traceback ...")
    store.put_failure("k", "evaluation", "second", started="2025-01-01", environment={"torch": "2"})
    store.put_failure("k2", "training", "another")
    first, second = store.failures("k")
    assert (first["reason"], first["of"], first["traceback"]) == (
        "RuntimeError: out of memory",
        "training",
        "Traceback ...",
    )
    assert (second["reason"], second["environment"]) == ("second", {"torch": "2"})
    names = sorted(path.name for path in (store.root / "failures").iterdir())
    assert names == ["k-1.json", "k-2.json", "k2-1.json"]
    assert json.loads((store.root / "failures" / "k-1.json").read_text())["kind"] == "failure"


def test_a_damaged_failure_hides_no_other(store, warnings):
    for reason in ("first", "second"):
        store.put_failure("k", "training", reason)
    (store.root / "failures" / "k-1.json").write_text("{")
    assert [failure["reason"] for failure in store.failures("k")] == ["second"]
    assert "k-1.json" in warnings[0]


def test_failures_need_no_hard_links(store, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    for reason in ("first", "second"):
        store.put_failure("k", "training", reason)
    assert [failure["reason"] for failure in store.failures("k")] == ["first", "second"]
