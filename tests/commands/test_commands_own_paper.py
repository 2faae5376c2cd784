"""Ablations of one's own: tables without published numbers, a baseline, sweeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_paper import IDENTITY, PAPER, RULES, newest, repro

TABLE = """
id = "deep/table1"
title = "Depth"
source = { paper = "deep", table = "1" }
baseline = { last_block = 4 }
[[axes]]
key = "model.last_block"
values = [4, 5]
[[claims]]
id = "deep.t1.h1"
text = "Deeper is better."
kind = "greater"
left = { last_block = 5 }
right = { last_block = 4 }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "paper.toml").write_text(PAPER + RULES)
    (folder / "table1.toml").write_text(TABLE)
    return folder


def run(place: Path, command: str, *words: object) -> tuple[dict[str, dict[str, object]], str]:
    told = ("deep/table1", "--tables", place, "--scale", "smoke", "--store", place / "runs", "--out", place / "out")
    code, out, err = repro(command, *told, "--json", *words)
    assert code == 0, err
    return {row["id"]: row for row in json.loads(out)["rows"]}, newest(place / "out", "deep-table1", "md").read_text()


def test_a_table_without_published_numbers_compares_with_its_baseline(place: Path) -> None:
    rows, markdown = run(place, "run", "--jobs", 1, "--device", "cpu", "--seeds", 2)
    base, deep = (rows[f"deep/table1/last-block-{block}"] for block in (4, 5))
    assert base["published"] is None
    assert (base["baseline"], base["gain"], base["reason"]) == (base["id"], None, "")
    assert deep["gain"] == pytest.approx(deep["value"] - base["value"], abs=1e-9)
    assert deep["gain_low"] < deep["gain"] < deep["gain_high"]
    assert "## Results" in markdown
    assert "## Hypotheses" in markdown
    assert "★" in markdown
    assert "Best of 2: last block" in markdown
    for word in ("published", "printed", "the paper's numbers", "The paper prints"):
        assert word not in markdown.split("## Every cell")[0].split("## Protocol")[0], word
    page = newest(place / "out", "deep-table1", "html").read_text()
    assert "<span>Hypothesis</span>" in page
    assert 'class="pub"' not in page


def test_a_sweep_has_a_record_for_each_value_and_rows_of_its_own(place: Path) -> None:
    words = ("--sweep", "train.lr=0.004,0.0002", "--only", "last_block=4")
    rows, markdown = run(place, "run", "--jobs", 1, "--device", "cpu", *words)
    assert set(rows) == {f"deep/table1/last-block-4/lr-{lr}" for lr in ("0.004", "0.0002")}
    assert len({row["value"] for row in rows.values()}) == 2
    assert "| lr 0.004 |" in markdown
    assert "--sweep train.lr=0.004,0.0002" in markdown
    # what the scale sets, 0.0002, is asked for here as well: the cell without the sweep is the same record
    whole, _ = run(place, "report", "--only", "last_block=4")
    assert whole["deep/table1/last-block-4"]["value"] == rows["deep/table1/last-block-4/lr-0.0002"]["value"]
    again, _ = run(place, "report", *words)
    assert again == rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sweep", "train.lr=0.1"), "two values or more"),
        (("--sweep", "model.last_block=4,5"), "varies it already"),
        (("--sweep", "train.lr=1,2", "--set", "train.lr=1"), "given twice"),
    ],
)
def test_a_wrong_sweep_is_refused(place: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    code, _, err = repro("run", "deep/table1", "--tables", place, "--store", tmp_path / "none", *words)
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("selector", ["row = 'x'", "last_block = { any = 4 }", "no_such_key = 1"])
def test_a_baseline_that_picks_no_cell_is_refused(tmp_path: Path, selector: str) -> None:
    (tmp_path / "paper.toml").write_text(IDENTITY)
    (tmp_path / "table1.toml").write_text(
        TABLE.replace("baseline = { last_block = 4 }", f"baseline = {{ {selector} }}")
    )
    code, _, err = repro("plan", "deep/table1", "--tables", tmp_path)
    assert code == 2
    assert "table1.toml: baseline: " in err
