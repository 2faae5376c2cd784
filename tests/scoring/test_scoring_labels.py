"""What options say of the numbers in label files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scoring_files import write

from repro.data.label_form import LabelForm, read_labels
from repro.errors import InputError
from repro.scoring.labels import MAPS, largest_label, read_map


def test_cityscapes_ids_are_those_of_the_data_sets_own_reader(tmp_path: Path) -> None:
    from repro.data.cityscapes import read_labels as own
    from repro.data.format import Sample

    path = write(tmp_path, "x", np.arange(34).reshape(2, 17))
    ours = read_labels(path, LabelForm(19, mapping=MAPS["cityscapes"]))
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


def test_largest_label() -> None:
    assert largest_label(np.array([[0, 1, 2], [2, 1, 255]], np.uint8)) == 2
    assert largest_label(np.full((2, 2), 255, np.uint8)) == -1
