"""`repro judge`: one's own number beside a published one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_paper import repro

CELL = ("--cell", "v3/table6/os-16")
"""Published: 77.21."""


def test_a_large_gap_names_the_mistakes_nearest_in_size() -> None:
    code, out, _ = repro("judge", 75.9, *CELL)
    assert code == 0
    assert "v3 Table 6, OS=16: 77.21 published" in out
    assert "1.31 points below the published 77.21: more than runs of one recipe differ by" in out
    code, out, _ = repro("judge", 75.9, *CELL, "--json")
    causes = json.loads(out)["rows"]
    # v3 Table 8: 75.95 with frozen batch normalisation, 76.01 with labels downsampled, 67.22 with crops of 321
    sizes = {cause["label"]: cause["points"] for cause in causes}
    assert sizes["batch normalisation frozen (v3)"] == [-1.26, -1.26]
    assert sizes["labels downsampled"] == [-1.2, -1.2]
    assert "crop 321 instead of 513" not in list(sizes)[:3]
    test = next(cause["test"] for cause in causes if cause["label"] == "labels downsampled")
    assert test == ["repro run pitfalls/deeplabv3 --only 'row=as published' --only 'row=labels downsampled' --seeds 5"]


def test_an_alias_may_stand_for_the_table() -> None:
    assert repro("judge", 75.9, "--cell", "table6/os-16") == repro("judge", 75.9, *CELL)


def test_a_small_gap_is_what_runs_differ_by() -> None:
    code, out, _ = repro("judge", "--runs", "77.0,77.3", *CELL)
    assert code == 0
    assert "within what runs of one recipe differ by" in out
    assert "look at first" not in out


def test_a_gap_that_no_known_mistake_explains() -> None:
    assert "No single known mistake is of this size" in repro("judge", 50, *CELL)[1]
    out = repro("judge", 90, *CELL)[1]
    assert "No single known mistake is of this size" in out
    assert "resize and centre crop of the validation images" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*CELL,), "VALUE: give one number"),
        (("75", "--runs", "75", *CELL), "VALUE: give one number"),
        (("0.749", *CELL), "looks like a share"),
        (("174.9", *CELL), "not a mean IOU. Give per cent, 0 to 100"),
        (("nan", *CELL), "not a mean IOU. Give per cent, 0 to 100"),
        (("--runs", "a,b", *CELL), "'a' is not a number"),
        (("75", "--cell", "v3/table6/os-17"), "Did you mean 'v3/table6/os-16"),
        (("75", "--cell", "v9/table6/os-16"), "no table's cell"),
        (
            ("75", "--cell", "table6"),
            "--cell v3/table6: that is a table; name one of its cells. Did you mean 'v3/table6/os-8'",
        ),
        (("75", "--cell", "v3plus/table5/eval-os-16/multiply-adds"), "its metric is multiply_adds"),
        (("75", "--seeds-sd", "-1", *CELL), "--seeds-sd"),
    ],
)
def test_wrong_input(words: tuple[str, ...], message: str) -> None:
    code, _, err = repro("judge", *words)
    assert code == 2
    assert message in err


def test_scores_against_a_published_number(tmp_path: Path) -> None:
    from PIL import Image

    for side in ("mine", "truth"):
        (tmp_path / side).mkdir()
        for k in range(2):
            labels = np.zeros((4, 8), np.uint8)
            labels[:, 4 + (side == "mine") :] = 1
            Image.fromarray(labels).save(tmp_path / side / f"{k}.png")
    words = ("score", tmp_path / "mine", tmp_path / "truth", "--classes", 2, "--out", tmp_path / "out")
    code, out, _ = repro(*words, "--against", "v3/table6/os-16")
    assert code == 0
    assert "The published number is of 1,449 images, this one of 2." in out
    assert "on other images differ by" in (tmp_path / "out" / "score.md").read_text()
    assert repro(*words, "--against", "v3/table6/nothing")[0] == 2
