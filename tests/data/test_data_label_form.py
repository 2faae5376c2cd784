"""Label files in the forms that people store them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_trees import write_labels
from PIL import Image

from repro.data.label_form import LabelForm, read_labels
from repro.errors import InputError

TRUTH = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
FORM = LabelForm(3)


def write(folder: Path, name: str, values: np.ndarray, mode: str = "L") -> Path:
    write_labels(folder / f"{name}.png", values, palette=mode == "P")
    return folder / f"{name}.png"


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
    with open(tmp_path / "large.npy", "wb") as large:
        large.truncate((1 << 31) + 1)  # a sparse file, which takes no room on the disk
    with pytest.raises(InputError, match=r"large\.npy: more than 2048 MB, which no label map takes"):
        read_labels(tmp_path / "large.npy", FORM)
    with open(tmp_path / "claim.npy", "wb") as claim:
        claimed = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6)}
        np.lib.format.write_array_header_1_0(claim, claimed)
    with pytest.raises(InputError, match=r"claim\.npy: not an array that can be read"):
        read_labels(tmp_path / "claim.npy", FORM)
    (tmp_path / "empty.npy").touch()
    with pytest.raises(InputError, match="not an array"):
        read_labels(tmp_path / "empty.npy", FORM)
    Image.fromarray(TRUTH).save(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="JPEG content, which need not keep label values"):
        read_labels(tmp_path / "x.jpg", FORM)
    with pytest.raises(InputError, match="label 9 at row 0, column 1"):
        read_labels(write(tmp_path, "nine", np.array([[0, 9]])), FORM)


def test_only_the_declared_kind_is_read(tmp_path: Path) -> None:
    values = np.array([[0, 1, 1]], np.uint8)
    files = {mode: write(tmp_path, mode, values, mode) for mode in "LP"}
    Image.fromarray(np.repeat(values[..., None] * 9, 3, axis=2)).save(tmp_path / "colours.png")
    forms = {kind: LabelForm(2, kind=kind) for kind in ("indexed", "grey")}
    assert read_labels(files["P"], forms["indexed"]).tolist() == read_labels(files["L"], forms["grey"]).tolist()
    for path, kind, message in (
        (files["L"], "indexed", r"grey values \(grey\), where indices of a palette \(indexed\) are declared"),
        (files["P"], "grey", r"indices of a palette \(indexed\), where grey values \(grey\) are declared"),
        (tmp_path / "colours.png", "grey", r"colours \(rgb\), where grey values"),
        (saved(tmp_path, values), "indexed", "an array, where indexed images are declared"),
    ):
        with pytest.raises(InputError, match=message):
            read_labels(path, forms[kind])
    assert read_labels(saved(tmp_path, values), forms["grey"]).tolist() == values.tolist()


def test_the_colours_of_a_palette_are_read_where_colours_are_declared(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[5, 6, 7]], np.uint8)).convert("P")
    image.putpalette([0] * 15 + [10, 20, 30, 40, 50, 60, 224, 224, 192])
    image.save(tmp_path / "a.png")
    form = LabelForm(2, colours={(40, 50, 60): 0, (10, 20, 30): 1, (224, 224, 192): 255}, kind="rgb", rest_void=False)
    assert read_labels(tmp_path / "a.png", form).tolist() == [[1, 0, 255]]


def test_numbers_that_are_not_declared_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a", np.array([[7, 9, 0]]))
    lenient = LabelForm(2, frozenset({0}), mapping={7: 0, 8: 1})
    assert read_labels(path, lenient).tolist() == [[0, 255, 255]]
    strict = LabelForm(2, frozenset({0}), mapping={7: 0, 8: 1}, rest_void=False, remedy="Mend it.")
    with pytest.raises(InputError, match=r"label 9 at row 0, column 1 is neither one of the 2 classes nor void\. Mend"):
        read_labels(path, strict)
