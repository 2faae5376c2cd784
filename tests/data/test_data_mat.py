"""MATLAB files: what SciPy writes and reads is what we read; damage is an error and no crash."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, matlab, savemat
from scipy.sparse import eye_array

from repro.data import mat
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


FILES = sorted((Path(matlab.__file__).parent / "tests/data").glob("*.mat"))


@pytest.mark.skipif(not FILES, reason="this SciPy comes without MATLAB's own files")
@pytest.mark.filterwarnings("ignore")
def test_files_that_matlab_wrote() -> None:
    """Files that come with SciPy, of MATLAB 5.3 to 8 on three systems: the same numbers, text and fields."""
    equal = 0
    for path in FILES:
        if path.read_bytes()[124:128] not in (b"\0\1IM", b"\1\0MI"):
            continue
        try:
            content = loadmat(path)
        except Exception:  # the damaged ones: InputError or what is whole in them
            with suppress(InputError):
                load_variable(path, "a")
            continue
        for name in content:
            values = None if name.startswith("__") or path.stem == "broken_utf8" else load_variable(path, name)
            if values is not None:
                equal += same(values, content[name])
    assert equal > 60


def same(ours: object, theirs: np.ndarray) -> int:
    """How many arrays, texts and fields are equal; AssertionError for one that is not."""
    if isinstance(ours, np.ndarray):
        assert np.array_equal(ours, theirs)
        return 1
    if isinstance(ours, str):
        assert ours.rstrip() == "".join(theirs).rstrip()  # SciPy pads empty text
        return 1
    assert isinstance(ours, list)
    assert len(ours) == theirs.size
    pairs = list(zip(ours, theirs.ravel(order="F"), strict=True))
    return sum(same(row[name], other[name]) for row, other in pairs for name in row if row[name] is not None)


@pytest.mark.parametrize("packed", [True, False])
def test_structures_text_and_what_is_passed_over(tmp_path: Path, packed: bool) -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    cells = np.empty((2, 1), dtype=object)
    cells[:, 0] = [eye_array(3).tocsc(), eye_array(2).tocsc()]
    given = {"Boundaries": cells, "Segmentation": labels, "name": "größe", "inner": {"deep": np.array([[1.5]])}}
    savemat(tmp_path / "a.mat", {"GTcls": given}, do_compression=packed, long_field_names=True)
    (content,) = load_variable(tmp_path / "a.mat", "GTcls")
    assert list(content) == ["Boundaries", "Segmentation", "name", "inner"]
    assert content["Boundaries"] is None
    assert content["name"] == "größe"
    assert content["inner"][0]["deep"].tolist() == [[1.5]]
    assert np.array_equal(read_mat(tmp_path / "a.mat", 11, "GTcls", "Segmentation"), labels)
    with pytest.raises(InputError, match=r"there is no GTcls\.Segments in it"):
        read_mat(tmp_path / "a.mat", 11, "GTcls", "Segments")
    with pytest.raises(InputError, match=r"there is no 'LabelMap' in it"):
        read_mat(tmp_path / "a.mat", 11, "LabelMap")


def test_lists_of_structures(tmp_path: Path) -> None:
    rows = np.array([(1, "n01"), (2, "n02")], dtype=[("number", float), ("id", object)])
    savemat(tmp_path / "a.mat", {"synsets": rows[:, None]})
    rows = load_variable(tmp_path / "a.mat", "synsets")
    assert [(row["number"].item(), row["id"]) for row in rows] == [(1.0, "n01"), (2.0, "n02")]


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


def test_label_maps_of_other_numbers(tmp_path: Path) -> None:
    for values, message in (
        (np.array([[0.0, 3.0]]), ""),
        (np.array([[0, 2.5]]), "is not a label map"),
        (np.array([[0, np.nan]]), "is not a label map"),
        (np.array([[0, 10]]), "label 10; this data set has 0 to 9"),
        (np.array([[-1.0, 0]]), "label -1; this data set has 0 to 9"),
        (np.array([[1j]]), "is not a label map"),
        (np.array(["ab", "cd"]), "is not a label map"),
        (np.zeros((1, 2, 3)), "is not a label map"),
    ):
        savemat(tmp_path / "a.mat", {"LabelMap": values})
        if message:
            with pytest.raises(InputError, match=message):
                read_mat(tmp_path / "a.mat", 9, "LabelMap")
        else:
            assert read_mat(tmp_path / "a.mat", 9, "LabelMap").tolist() == values.tolist()


@pytest.mark.parametrize("packed", [b"", b"\x0e\0\0\0\0\0\0\0"])
def test_packed_variables_with_nothing_in_them(tmp_path: Path, packed: bytes) -> None:
    content = zlib.compress(packed)
    (tmp_path / "a.mat").write_bytes(bytes(124) + b"\0\1IM" + struct.pack("<II", 15, len(content)) + content)
    with pytest.raises(InputError, match=r"where a variable should be|ends early"):
        load_variable(tmp_path / "a.mat", "a")


def test_numbers_that_their_type_cannot_hold(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"a": np.array([[300]], dtype=np.uint16)})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    data[data.index(b"\x06\0\0\0\x08\0\0\0\x0b") + 8] = 9  # uint8 instead of uint16
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(InputError, match="numbers that its type cannot hold"):
        load_variable(tmp_path / "a.mat", "a")


def test_files_larger_than_any_label_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mat, "MOST_BYTES", 1 << 20)
    (tmp_path / "a.mat").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(InputError, match="more than 1 MB"):
        load_variable(tmp_path / "a.mat", "a")


def test_more_structures_than_there_is_room_for(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"s": {"a": 1}})
    data = (tmp_path / "a.mat").read_bytes()
    at = data.index(b"\5\0\0\0\x08\0\0\0") + 8  # its dimensions
    (tmp_path / "a.mat").write_bytes(data[:at] + b"\xff\xff\xff\x7f\xff\xff\xff\x7f" + data[at + 8 :])
    with pytest.raises(InputError, match="structures, more than there is room for"):
        load_variable(tmp_path / "a.mat", "s")
