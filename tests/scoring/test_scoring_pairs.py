"""Predictions find their ground truth by name, or are named when they do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scoring_files import write

from repro.errors import InputError
from repro.scoring.pairs import base_name, label_files, pair_up

ONE = np.zeros((2, 2), np.uint8)


def pairs(predictions: dict[str, Path], truths: dict[str, Path], partial: bool = False) -> list[str]:
    sides = {name: (path, None) for name, path in truths.items()}
    return [pair.name for pair in pair_up(predictions, sides, partial=partial, places=("mine", "theirs"))]


def test_names_of_cityscapes() -> None:
    for name in ("a_000_019_leftImg8bit.png", "a_000_019_gtFine_labelIds.png", "a_000_019.npy", "a_000_019_pred.png"):
        assert base_name(Path(name)) == "a_000_019"


def test_folders_are_searched_to_any_depth_and_other_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "aachen", "a_gtFine_labelIds", ONE)
    write(tmp_path / "aachen", "a_gtFine_instanceIds", ONE)
    (tmp_path / "aachen" / "a_gtFine_polygons.json").write_text("{}")
    (tmp_path / ".DS_Store").write_text("x")
    assert list(label_files(tmp_path, "_labelIds.png", "ground truth")) == ["a"]


def test_two_files_of_one_image_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a_gtFine_labelIds", ONE)
    write(tmp_path, "a_gtFine_labelTrainIds", ONE)
    with pytest.raises(InputError, match=r"a_gtFine_labelIds.png and a_gtFine_labelTrainIds.png .*--truth-ending"):
        label_files(tmp_path, "", "ground truth")


def test_lists(tmp_path: Path) -> None:
    path = write(tmp_path / "maps", "a", ONE)
    (tmp_path / "list.txt").write_text("﻿images/a.jpg maps/a.png\n", encoding="utf-8")
    assert label_files(tmp_path / "list.txt", "", "predictions") == {"a": path}
    (tmp_path / "list.txt").write_text("maps/a.png\nmaps/b.png\n")
    with pytest.raises(InputError, match=r"list.txt: line 2: no such file: maps/b.png"):
        label_files(tmp_path / "list.txt", "", "predictions")


def test_places_without_label_maps(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "file.zip").touch()
    for place, message in (("empty", "no label maps"), ("photos", "JPEG"), ("file.zip", "folder"), ("none", "no such")):
        with pytest.raises(InputError, match=message):
            label_files(tmp_path / place, "", "predictions")


def test_missing_and_extra_predictions_are_named(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in "abc"}
    with pytest.raises(InputError, match=r"mine: 1 of 3 predictions are missing: c\. .*--partial"):
        pairs({k: files[k] for k in "ab"}, files)
    with pytest.raises(InputError, match="1 predictions have no ground truth in theirs: c"):
        pairs(files, {k: files[k] for k in "ab"})
    assert pairs({k: files[k] for k in "bc"}, {k: files[k] for k in "ab"}, partial=True) == ["b"]
    with pytest.raises(InputError, match="no prediction is named"):
        pairs({"a": files["a"]}, {"b": files["b"]}, partial=True)
