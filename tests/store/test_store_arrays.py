"""Arrays of records in stores that somebody else made: bombs, pickles, other content."""

from __future__ import annotations

import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from repro.errors import InputError
from repro.store import arrays
from repro.store.arrays import read_arrays


def test_what_was_saved(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", matrices=np.arange(8).reshape(2, 2, 2), names=np.array(["a", "b"]))
    names, matrices = read_arrays(tmp_path / "a.npz", "names", "matrices")
    assert matrices.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert names.tolist() == ["a", "b"]


def header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 1 << 24
    monkeypatch.setattr(arrays, "MOST_BYTES", most)
    path = tmp_path / "confusion.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("matrices.npy", header((most,)) + bytes(most))
    assert path.stat().st_size < most / 100
    tracemalloc.start()
    with pytest.raises(
        InputError, match=r"confusion\.npz: unpacks into more than 16 MB, which no record does\. Remove"
    ):
        read_arrays(path, "matrices")
    assert tracemalloc.get_traced_memory()[1] < most / 16
    tracemalloc.stop()


def test_a_pickle_does_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        np.savez(path, matrices=np.array([Bomb()], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Bomb()))
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        with pytest.raises(InputError, match="no arrays of a record"):
            read_arrays(path, "matrices")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY\1\0", b"x" * 99])
def test_other_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: no arrays of a record \(.+\)\. Remove .*; `repro run` computes"):
        read_arrays(tmp_path / "a.npz", "matrices")


def test_an_array_that_is_missing_or_claims_more_than_there_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="no arrays of a record"):
        read_arrays(tmp_path / "a.npz", "matrices")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("matrices.npy", header((10**15,)) + bytes(8))
    with pytest.raises(InputError, match="no arrays of a record"):
        read_arrays(tmp_path / "b.npz", "matrices")
    np.save(tmp_path / "c.npy", np.zeros(3))
    with pytest.raises(InputError, match="no arrays of a record"):
        read_arrays(tmp_path / "c.npy", "matrices")
