"""The real command at scale paper: what --set and --dataset change is told, and held against no printed value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_paper import IDENTITY, TABLE, depth_table, newest, repro

from repro.report.changes import read_data

PAPER = f"""{IDENTITY}
[protocol]
data = {{ name = "scenes", side = 33, train_split = "train", classes = 9, train_images = 8, val_images = 6 }}
model = {{ width = 2, stem_width = 2, head_channels = 4 }}
train = {{ start = "random", crop = 33, batch_size = 4, iterations = 3 }}
evaluate = {{ canvas = [33, 33] }}
"""
"""Small as it is, this is the published protocol of a made-up paper."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changed")
    (folder / "paper.toml").write_text(PAPER)
    (folder / "table1.toml").write_text(TABLE)
    return folder


def run(place: Path, *words: str, scale: str = "paper") -> tuple[dict[str, str], str, str, dict[str, object]]:
    """Marks by row, the Markdown, the page, the data inside it."""
    told = ("deep1", "--tables", place, "--scale", scale, "--store", place / "runs", "--out", place / "out")
    code, out, err = repro("run", *told, "--jobs", 1, "--device", "cpu", "--json", *words)
    assert code == 0, err
    marks = {row["row"]: row["mark"] for row in json.loads(out)["rows"] if row["kind"] == "measured"}
    page = newest(place / "out", "deep-table1", "html")
    data = read_data(page)
    assert data is not None
    return marks, newest(place / "out", "deep-table1", "md").read_text(), page.read_text(), data


def test_the_published_protocol_is_held_against_printed_values(place: Path) -> None:
    # one seed of a network that has learnt nothing: far below 60 %
    for words in ((), ("--set", "evaluate.batch_size=3", "--set", "pretrain.iterations=7")):
        marks, markdown, page, _ = run(place, *words)
        assert set(marks.values()) <= {"below", "noisy"}
        for text in (markdown, page):
            assert "other than the paper" not in text
    assert (
        "| `evaluate.batch_size` | 8 | 3 | unknown | set on the command line |" in markdown
    )  # told, but no other experiment


def test_changed_settings_are_told_and_nothing_is_judged(place: Path) -> None:
    marks, markdown, page, data = run(place, "--set", "model.width=3", "--set", "train.iterations=2")
    assert set(marks.values()) == {"incomparable"}
    why = "settings other than the paper's (model.width, train.iterations): that says nothing about absolute values"
    for text in (markdown, page.replace("&#39;", "'")):
        assert why in text
        assert "Changed on the command line: model.width, train.iterations." in text
        assert "set on the command line" in text
        assert "2 settings differ from the paper's (2 were changed on the command line)" in text.replace("\\", "")
        assert "published value inside our" not in text
    assert data["changed"] == ["model.width", "train.iterations"]
    assert "| paper, changed |" in (place / "out/index.md").read_text()


def test_a_cell_that_has_the_value_anyway_is_judged(place: Path) -> None:
    """The two rows differ in their evaluation's output stride: 8 and 16."""
    marks, markdown, _, data = run(place, "--set", "evaluate.output_stride=8")
    assert marks["cascade"] == "incomparable"
    assert marks["aspp"] in ("below", "noisy")
    assert "Of 2 cells, one measured with a setting other than the paper's (evaluate.output\\_stride) says" in markdown
    assert data["changed"] == ["evaluate.output_stride"]


def test_cells_that_are_told_apart_no_more_are_not_compared(place: Path) -> None:
    """The claim is about a setting that the user gave one value for all: both cells are the same measurement."""
    (place / "table2.toml").write_text(depth_table(2))
    told = ("deep2", "--tables", place, "--scale", "paper", "--store", place / "runs", "--out", place / "out")
    words = ("--jobs", 1, "--device", "cpu", "--seeds", 2)
    code, _, err = repro("run", *told, *words)
    assert code == 0, err
    markdown = newest(place / "out", "deep-table2", "md").read_text()
    assert "Not run" not in markdown
    code, _, err = repro("run", *told, *words, "--set", "model.last_block=5")
    assert code == 0, err
    markdown = newest(place / "out", "deep-table2", "md").read_text()
    assert "Not run: deep/table2/last-block-4 and deep/table2/last-block-5 are one measurement" in markdown


def test_a_plan_says_it_beforehand(place: Path) -> None:
    told = ("plan", "deep1", "--tables", place, "--store", place / "none")
    said = "Measured with a setting other than the paper's (train.crop): that says nothing about absolute values."
    assert said in repro(*told, "--scale", "paper", "--set", "train.crop=17")[1]
    assert "other than the paper's" not in repro(*told, "--scale", "paper", "--set", "train.crop=33")[1]
    assert "other than the paper's" not in repro(*told, "--scale", "smoke", "--set", "train.crop=17")[1]
    found = json.loads(repro(*told, "--scale", "paper", "--set", "data.side=65", "--json")[1])
    assert "(data.side)" in found["unjudged"]
