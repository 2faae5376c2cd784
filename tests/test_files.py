"""Files are whole or not there, what killed writers leave is removed, and a changed byte is seen."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro import files
from repro.files import (
    Damaged,
    describe,
    digest,
    read,
    remove,
    seal,
    sweep,
    temporary_folder,
    unreadable,
    unseal,
    write,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_replaces_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    write(path, b"one")
    write(path, b"two", durable=False)
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["a.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_link_is_replaced_and_its_target_left_alone(tmp_path):
    target, link = tmp_path / "theirs", tmp_path / "link"
    target.write_bytes(b"theirs")
    link.symlink_to(target)
    write(link, b"ours")
    assert (target.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"theirs", b"ours", False)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch, step):
    path = tmp_path / "a.json"
    write(path, b"old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refuse)
        with pytest.raises(OSError, match="no space"):
            write(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.json"]


KILLED = """
import os, signal, sys; from pathlib import Path
from repro import files
def killed(*_): os.kill(os.getpid(), signal.SIGKILL)
place = Path(sys.argv[1])
if sys.argv[2] == "file":
    os.replace = killed
    files.write(place, b"new")
with files.temporary_folder(place) as aside:
    (aside / "part").write_bytes(b"half")
    killed()
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_leaves_goes_with_the_next_writing(tmp_path, kind):
    place = tmp_path / "a[1].json"  # letters that mean something in a pattern
    place.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, place, kind], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    assert place.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    (tmp_path / ".a[1].json.0123456z.part").write_bytes(b"not ours")
    write(place, b"new")
    assert names(tmp_path) == [".a[1].json.0123456z.part", "a[1].json"]


ROOT = Path(files.__file__).parents[1]


def test_what_somebody_writes_now_is_not_swept_away(tmp_path):
    with temporary_folder(tmp_path / "k") as aside:
        sweep(tmp_path / "k")
        assert names(tmp_path) == [aside.name]
        (aside / "a").write_text("a")
        aside.rename(tmp_path / "k")
    assert names(tmp_path) == ["k"]
    other = os.open(tmp_path / ".f.01234567.part", os.O_CREAT | os.O_WRONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    write(tmp_path / "f", b"f")
    assert names(tmp_path) == [".f.01234567.part", "f", "k"]
    os.close(other)
    write(tmp_path / "f", b"f")
    assert names(tmp_path) == ["f", "k"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_part_that_was_swept_before_it_was_held_is_written_again(tmp_path, monkeypatch, times):
    left = [times]

    def swept(descriptor, _how):
        if left[0]:
            left[0] -= 1
            remove(Path(os.readlink(f"/proc/self/fd/{descriptor}")))

    monkeypatch.setattr(fcntl, "flock", swept)
    write(tmp_path / "a", b"a")
    assert (tmp_path / "a").read_bytes() == b"a"
    left[0] = times
    with temporary_folder(tmp_path / "b") as aside:
        (aside / "file").write_text("")
        aside.rename(tmp_path / "b")
    assert names(tmp_path / "b") == ["file"]


def test_remove_takes_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/file").write_text("")
    (tmp_path / "link").symlink_to("theirs")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inside").symlink_to("../theirs")
    (tmp_path / "nowhere").symlink_to("none")
    for name in ("link", "folder", "nowhere", "none"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["theirs"]
    assert names(tmp_path / "theirs") == ["file"]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "nowhere", "loop", "through a file"])
def test_what_is_no_file_is_not_read_nor_waited_for(tmp_path, kind):
    path = tmp_path / "a"
    {
        "missing": lambda: None,
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "nowhere": lambda: path.symlink_to("none"),
        "loop": lambda: path.symlink_to(path),
        "through a file": lambda: path.write_bytes(b""),
    }[kind]()
    for way in (read, digest, describe):
        with pytest.raises(OSError) as caught:
            way(path / "b" if kind == "through a file" else path)
        assert unreadable(caught.value)
    assert not unreadable(OSError(errno.EMFILE, "too many open files"))


def test_a_digest_is_remembered_while_the_file_stays_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    first = digest(path)
    assert first == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    path.write_bytes(b"abd")  # within a tick of the clock, the same size: a young file is read each time
    assert digest(path) != first
    monkeypatch.setattr(files, "SETTLED_SECONDS", -1.0)
    counted = []
    sha256 = files._sha256
    monkeypatch.setattr(files, "_sha256", lambda path: counted.append(path) or sha256(path))
    old = digest(path)
    assert digest(path) == old
    assert len(counted) == 1
    os.utime(path, (1, 1))
    assert digest(path) == old
    assert len(counted) == 2


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text().filter(lambda name: name != "sha256"), values, min_size=1, max_size=3),
    st.sampled_from([None, 1]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 255),
)
def test_any_changed_byte_of_a_sealed_value_is_seen(value, indent, fraction, bits):
    data = seal(value, indent)
    assert unseal(data) == value
    assert json.loads(data).keys() - {"sha256"} == value.keys()
    place = int(fraction * len(data))
    for harmed in (data[:place], data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :], data + b" "):
        with pytest.raises(Damaged):
            unseal(harmed)


def test_sealed_values_are_json():
    with pytest.raises(ValueError, match="JSON"):
        seal({"a": float("nan")})
    assert unseal(seal({"a": Path("b")}, default=str), lambda node: {**node, "c": 1}) == {"a": "b", "c": 1}
