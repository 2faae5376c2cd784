"""MATLAB files: what SciPy writes and reads is what we read; damage is an error and no crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat
from scipy.sparse import eye_array

from repro.data.mat import load_variable, read_mat
from repro.errors import InputError

NUMBERS = [np.dtype(kind) for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")]
numeric = st.sampled_from(NUMBERS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=5))
)


@settings(max_examples=60)
@given(numeric, st.booleans())
def test_arrays_equal_scipys(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, packed: bool) -> None:
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    savemat(path, {"other": 1, "LabelMap": values}, do_compression=packed)
    ours, theirs = load_variable(path, "LabelMap"), loadmat(path)["LabelMap"]
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs, equal_nan=values.dtype.kind == "f")


@pytest.mark.parametrize("packed", [True, False])
def test_structures_text_and_what_is_passed_over(tmp_path: Path, packed: bool) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    cells = np.empty((2, 1), dtype=object)
    cells[:, 0] = [eye_array(3).tocsc(), eye_array(2).tocsc()]
    content = {"Boundaries": cells, "Segmentation": labels, "name": "größe", "inner": {"deep": np.array([[1.5]])}}
    savemat(tmp_path / "a.mat", {"GTcls": content}, do_compression=packed, long_field_names=True)
    (found,) = load_variable(tmp_path / "a.mat", "GTcls")
    assert list(found) == ["Boundaries", "Segmentation", "name", "inner"]
    assert found["Boundaries"] is None
    assert found["name"] == "größe"
    assert found["inner"][0]["deep"].tolist() == [[1.5]]
    assert np.array_equal(read_mat(tmp_path / "a.mat", 11, "GTcls", "Segmentation"), labels)
    with pytest.raises(InputError, match=r"there is no GTcls\.Segments in it"):
        read_mat(tmp_path / "a.mat", 11, "GTcls", "Segments")
    with pytest.raises(InputError, match=r"there is no 'LabelMap' in it"):
        read_mat(tmp_path / "a.mat", 11, "LabelMap")


def test_lists_of_structures(tmp_path: Path) -> None:
    rows = np.array([(1, "n01"), (2, "n02")], dtype=[("number", float), ("id", object)])
    savemat(tmp_path / "a.mat", {"synsets": rows[:, None]})
    found = load_variable(tmp_path / "a.mat", "synsets")
    assert [(row["number"].item(), row["id"]) for row in found] == [(1.0, "n01"), (2.0, "n02")]


def test_files_of_the_other_byte_order(tmp_path: Path) -> None:
    def tag(kind: int, data: bytes) -> bytes:
        return kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data + bytes(-len(data) % 8)

    sides = (2).to_bytes(4, "big") + (1).to_bytes(4, "big")
    parts = tag(6, (11).to_bytes(4, "big") + bytes(4)) + tag(5, sides) + tag(1, b"LabelMap") + tag(4, b"\1\0\0\2")
    (tmp_path / "a.mat").write_bytes(bytes(124) + b"\1\0MI" + tag(14, parts))
    assert read_mat(tmp_path / "a.mat", 256, "LabelMap").tolist() == [[256], [2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no MATLAB file of level 5"),
        (bytes(124) + b"\0\2IM", r"MATLAB 7\.3's form; save it with -v7"),
        (bytes(124) + b"\0\1IM" + b"\x0e\0\0\0\xff\xff\xff\0", "longer than what is left"),
        (bytes(124) + b"\0\1IM" + b"\x09\0\0\0\x08\0\0\0" + bytes(8), "type 9 where a variable should be"),
        (bytes(124) + b"\0\1IM" + b"\x0e\0\0\0", "a tag ends early"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.mat: damaged or cut short \({message}|{message}"):
        read_mat(tmp_path / "a.mat", 9, "LabelMap")


def test_more_structures_than_there_is_room_for(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"s": {"a": 1}})
    data = (tmp_path / "a.mat").read_bytes()
    at = data.index(b"\5\0\0\0\x08\0\0\0") + 8  # its dimensions
    (tmp_path / "a.mat").write_bytes(data[:at] + b"\xff\xff\xff\x7f\xff\xff\xff\x7f" + data[at + 8 :])
    with pytest.raises(InputError, match="structures, more than there is room for"):
        load_variable(tmp_path / "a.mat", "s")
