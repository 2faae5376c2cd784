"""Label files in the forms that people store them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scoring_files import write

from repro.errors import InputError
from repro.scoring.labels import CITYSCAPES, LabelForm, largest_label, read_labels, read_map

TRUTH = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
FORM = LabelForm(3)


def saved(folder: Path, values: np.ndarray, name: str = "x") -> Path:
    np.save(folder / f"{name}.npy", values)
    return folder / f"{name}.npy"


@pytest.mark.parametrize("mode", ["L", "P"])
def test_indexed_and_grey_images(tmp_path: Path, mode: str) -> None:
    assert np.array_equal(read_labels(write(tmp_path, "x", TRUTH, mode), FORM), TRUTH)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "uint16"])
def test_arrays_of_any_integer(tmp_path: Path, dtype: str) -> None:
    assert np.array_equal(read_labels(saved(tmp_path, TRUTH.astype(dtype)), FORM), TRUTH)
    assert np.array_equal(read_labels(saved(tmp_path, TRUTH.astype(dtype)[None], "channel"), FORM), TRUTH)


def test_minus_one_may_be_void(tmp_path: Path) -> None:
    path = saved(tmp_path, np.where(TRUTH == 255, -1, TRUTH.astype(np.int64)))
    assert np.array_equal(read_labels(path, LabelForm(3, frozenset({-1}))), TRUTH)
    with pytest.raises(InputError, match="label -1 at row 1, column 2"):
        read_labels(path, FORM)


def test_offset_makes_0_void(tmp_path: Path) -> None:
    path = write(tmp_path, "x", np.array([[0, 1, 3]]))
    assert read_labels(path, LabelForm(3, offset=1)).tolist() == [[255, 0, 2]]
    assert read_labels(path, LabelForm(4)).tolist() == [[0, 1, 3]]


def test_cityscapes_ids_are_those_of_the_data_sets_own_reader(tmp_path: Path) -> None:
    from repro.data.cityscapes import read_labels as own
    from repro.data.format import Sample

    path = write(tmp_path, "x", np.arange(34).reshape(2, 17))
    ours = read_labels(path, LabelForm(19, mapping=CITYSCAPES))
    assert np.array_equal(ours, own(Sample("x", path, path, "")))


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("10 = 0\n20 = 1\n")
    form = LabelForm(2, mapping=read_map(str(tmp_path / "map.toml")))
    assert read_labels(write(tmp_path, "x", np.array([[10, 20, 30]])), form).tolist() == [[0, 1, 255]]
    (tmp_path / "bad.toml").write_text("ten = 0\n")
    with pytest.raises(InputError, match="`number = class`"):
        read_map(str(tmp_path / "bad.toml"))
    with pytest.raises(InputError, match=r"no such file.*cityscapes"):
        read_map("citiscapes")


def test_images_in_colour(tmp_path: Path) -> None:
    colours = {(0, 0, 0): 0, (128, 0, 0): 1, (224, 224, 192): 255}
    image = np.array([[[0, 0, 0], [128, 0, 0], [224, 224, 192]]], np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    assert read_labels(tmp_path / "x.png", LabelForm(2, colours=colours)).tolist() == [[0, 1, 255]]
    with pytest.raises(InputError, match="what its colours mean is not known"):
        read_labels(tmp_path / "x.png", LabelForm(2))
    image[0, 1] = 129, 0, 0
    Image.fromarray(image).save(tmp_path / "x.png")
    with pytest.raises(InputError, match=r"colour \(129, 0, 0\) at row 0, column 1"):
        read_labels(tmp_path / "x.png", LabelForm(2, colours=colours))


def test_what_is_no_label_map_is_named(tmp_path: Path) -> None:
    wrong = {
        "float": np.zeros((2, 2), np.float32),
        "deep": np.zeros((2, 3, 4, 5), np.int64),
        "huge": np.full((2, 2), 10**9),
        "low": np.full((2, 2), -7),
    }
    for name, values in wrong.items():
        with pytest.raises(InputError, match=f"{name}.npy"):
            read_labels(saved(tmp_path, values, name), FORM)
    np.save(tmp_path / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not an array"):
        read_labels(tmp_path / "object.npy", FORM)
    (tmp_path / "empty.npy").touch()
    with pytest.raises(InputError, match="not an array"):
        read_labels(tmp_path / "empty.npy", FORM)
    Image.fromarray(TRUTH).save(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="JPEG content, which need not keep label values"):
        read_labels(tmp_path / "x.jpg", FORM)
    with pytest.raises(InputError, match="label 9 at row 0, column 1"):
        read_labels(write(tmp_path, "nine", np.array([[0, 9]])), FORM)


def test_largest_label() -> None:
    assert largest_label(TRUTH) == 2
    assert largest_label(np.full((2, 2), 255, np.uint8)) == -1
