"""The cache is whole or absent, made once, and says clearly why it cannot be written."""

import json
import multiprocessing
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from data_trees import forbidden_folder, run_python

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


@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "sizes.npy", "index.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "empty"])
def test_a_damaged_entry_is_made_again(tmp_path, name, damage):
    expected = cached(tmp_path, "k", content).labels.copy()
    path = tmp_path / "images/k" / name
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    assert np.array_equal(cached(tmp_path, "k", content).labels, expected)
    cached(tmp_path, "k", never)


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
    assert (tmp_path / "images/k.partial").is_dir()
    assert not (tmp_path / "images/k").exists()
    assert cached(tmp_path, "k", content).names == ("a", "b", "c")
    assert not (tmp_path / "images/k.partial").exists()


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
    assert not (tmp_path / "images/k").exists()
    assert not (tmp_path / "images/k.partial").exists()


def test_a_folder_that_cannot_be_written():
    message = r"decoded images cannot be kept here \(Permission denied\)\. Give another --store\."
    with forbidden_folder(0o555) as folder, pytest.raises(InputError, match=message):
        cached(folder, "k", content)


def test_the_index_states_lengths(tmp_path):
    cached(tmp_path, "k", content)
    lengths = json.loads((tmp_path / "images/k/index.json").read_text())["bytes"]
    assert lengths["pixels.npy"] - lengths["labels.npy"] == 3 * 6 * 5 * 2
