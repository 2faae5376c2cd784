"""The cache is whole or absent, made once, and says clearly why it cannot be written."""

import multiprocessing
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from data_trees import forbidden_folder, run_python

from repro import files
from repro.data.cache import Content, cached
from repro.errors import InputError

SIZES = np.array([[3, 5], [6, 2], [4, 4]], dtype=np.int32)


def pairs():
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        yield (
            rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
            rng.integers(0, 20, (height, width), dtype=np.uint8),
        )


def content():
    return Content(("a", "b", "c"), SIZES, pairs())


def never():
    raise AssertionError("decoded a second time")


def test_padded_arrays_round_trip(tmp_path):
    images = cached(tmp_path, "k", content)
    assert images.pixels.shape == (3, 6, 5, 3)
    assert images.labels.shape == (3, 6, 5)
    assert images.names == ("a", "b", "c")
    assert np.array_equal(images.sizes, SIZES)
    for i, (pixels, labels) in enumerate(pairs()):
        height, width = SIZES[i]
        assert np.array_equal(images.pixels[i, :height, :width], pixels)
        assert np.array_equal(images.labels[i, :height, :width], labels)
        assert images.pixels[i].sum() == pixels.sum()
        assert (images.labels[i] == 255).sum() == 30 - height * width


def test_the_second_reader_maps_what_the_first_wrote(tmp_path):
    cached(tmp_path, "k", content)
    again = cached(tmp_path, "k", never)
    assert isinstance(again.pixels, np.memmap)
    before = again.pixels.copy()
    again.pixels[:] = 255 - before  # a reader's own pages: what is on disk stays
    assert np.array_equal(cached(tmp_path, "k", never).pixels, before)


def _put(path, damage):
    """Something else in the place of what a cache folder holds, or of the folder."""
    data = path.read_bytes() if path.is_file() else b""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    middle = len(data) // 2
    {
        "cut": lambda: path.write_bytes(data[:middle]),
        "gone": lambda: None,
        "empty": lambda: path.write_bytes(b""),
        "a bit": lambda: path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]),
        "zeroed behind the header": lambda: path.write_bytes(data[:128] + bytes(len(data[128:]))),
        "longer": lambda: path.write_bytes(data + b" "),
        "folder": path.mkdir,
        "link to nowhere": lambda: path.symlink_to("none"),
        "link to itself": lambda: path.symlink_to(path),
        "link": lambda: path.symlink_to("/"),
        "pipe": lambda: os.mkfifo(path),
    }[damage]()


DAMAGE = ("cut", "gone", "empty", "a bit", "longer", "folder", "link to nowhere", "link to itself", "link", "pipe")


@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "sizes.npy", "index.json"])
@pytest.mark.parametrize("damage", [*DAMAGE, "zeroed behind the header"])
def test_a_damaged_entry_is_told_and_made_again(tmp_path, name, damage):
    told = []
    before = cached(tmp_path, "k", content, told.append)
    expected = (before.pixels.copy(), before.labels.copy(), before.sizes.copy(), before.names)
    _put(tmp_path / "images/k" / name, damage)
    found = cached(tmp_path, "k", content, told.append)
    for a, b in zip(expected, (found.pixels, found.labels, found.sizes, found.names), strict=True):
        assert np.array_equal(a, b)
    (line,) = told
    assert line.startswith(f"{tmp_path}/images/k: damaged (")
    assert line.endswith("These images are decoded again.")
    cached(tmp_path, "k", never, told.append)
    assert len(told) == 1


@pytest.mark.parametrize("damage", ["empty", "folder", "link to nowhere", "link to itself", "link", "pipe"])
@pytest.mark.parametrize("name", ["k", "k.lock"])
def test_what_stands_for_the_folder_or_its_lock_is_no_hindrance(tmp_path, name, damage):
    cached(tmp_path, "k", content)
    shutil.rmtree(tmp_path / "images/k")
    (tmp_path / "images" / name).touch()
    _put(tmp_path / "images" / name, damage)
    assert cached(tmp_path, "k", content).names == ("a", "b", "c")


def test_bytes_are_checked_once_in_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SETTLED_SECONDS", -1.0)
    hashed = []
    sha256 = files._sha256
    monkeypatch.setattr(files, "_sha256", lambda path: hashed.append(path.name) or sha256(path))
    cached(tmp_path, "k", content)
    made = len(hashed)
    cached(tmp_path, "k", never)
    assert len(hashed) == made
    path = tmp_path / "images/k/pixels.npy"
    path.write_bytes(path.read_bytes())  # another time of change
    cached(tmp_path, "k", never)
    assert hashed[made:] == ["pixels.npy"]


def test_a_failed_build_leaves_nothing(tmp_path):
    def broken():
        yield next(pairs())
        raise InputError("c.png: damaged")

    with pytest.raises(InputError, match=r"^c\.png: damaged$"):
        cached(tmp_path, "k", lambda: Content(("a", "b", "c"), SIZES, broken()))
    assert [p.name for p in (tmp_path / "images").iterdir() if p.is_dir()] == []
    assert cached(tmp_path, "k", content).names == ("a", "b", "c")


KILLED = """
import os, sys, pathlib, numpy
from repro.data.cache import Content, cached
def pairs():
    yield numpy.zeros((4, 4, 3), "uint8"), numpy.zeros((4, 4), "uint8")
    os.kill(os.getpid(), 9)
sizes = numpy.array([[4, 4], [4, 4]], "int32")
cached(pathlib.Path(sys.argv[1]), "k", lambda: Content(("a", "b"), sizes, pairs()))
"""


def test_a_killed_build_is_done_again(tmp_path):
    assert run_python(KILLED, str(tmp_path)).returncode == -9
    assert [p.name for p in (tmp_path / "images").iterdir() if p.name.startswith(".k.")]
    assert not (tmp_path / "images/k").exists()
    assert cached(tmp_path, "k", content).names == ("a", "b", "c")
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == ["k", "k.lock"]


def _load(folder, calls, out):
    def counted():
        with calls.get_lock():
            calls.value += 1
        time.sleep(0.3)  # so that the others find the lock taken
        return content()

    out.put(int(cached(Path(folder), "k", counted).pixels.sum()))


def test_two_processes_build_once(tmp_path):
    context = multiprocessing.get_context("fork")
    calls, out = context.Value("i", 0), context.Queue()
    workers = [context.Process(target=_load, args=(str(tmp_path), calls, out)) for _ in range(4)]
    for worker in workers:
        worker.start()
    sums = {out.get(timeout=30) for _ in workers}
    for worker in workers:
        worker.join()
    assert calls.value == 1
    assert len(sums) == 1


def test_too_little_space_is_said_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300))

    def unread():
        raise AssertionError("decoded although it cannot be kept")
        yield

    with pytest.raises(InputError, match=r"images: no space left for decoded images \(0\.0 GB needed, 0\.0 GB free\)"):
        cached(tmp_path, "k", lambda: Content(("a", "b", "c"), SIZES, unread()))


FULL = """
import sys, pathlib, resource, numpy
from repro.data.cache import Content, cached
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
pairs = ((numpy.zeros((40, 40, 3), "uint8"), numpy.zeros((40, 40), "uint8")) for _ in range(4))
cached(pathlib.Path(sys.argv[1]), "k", lambda: Content(tuple("abcd"), numpy.full((4, 2), 40, "int32"), pairs))
"""


def test_space_that_runs_out_while_writing(tmp_path):
    done = run_python(FULL, str(tmp_path))
    assert done.returncode == 1  # an exception, not the bus error that a memory map would die of
    assert "InputError" in done.stderr.splitlines()[-1]
    assert "no space left for decoded images" in done.stderr
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["k.lock"]


def test_a_folder_that_cannot_be_written():
    message = r"decoded images cannot be kept here \(Permission denied\)\. Give another --store\."
    with forbidden_folder(0o555) as folder, pytest.raises(InputError, match=message):
        cached(folder, "k", content)
