"""A network of one's own: the worked example of docs/extending.md from its check to stale records."""

import json
import re
import sys
from pathlib import Path

import planted_faults
import pytest
from small_paper import IDENTITY, RULES, repro

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
MODULE = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
ROW = re.search(r"```toml\n(\[\[rows\]\].*?)```", PAGE, re.DOTALL)[1]
TABLE = f"""
id = "deep/table1"
aliases = ["deep1"]
title = "Mine and theirs"
source = {{ paper = "deep", table = "1" }}
headings = ["Network"]

[[rows]]
printed = ["the suite's"]
published = 60.1
{ROW}
"""


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The example's module and a table with its row; the words that its commands share."""
    (tmp_path / "mynets.py").write_text(MODULE)
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/paper.toml").write_text(f"{IDENTITY}\n[protocol.train]\niterations = 4000\n{RULES}")
    (tmp_path / "paper/table1.toml").write_text(TABLE)
    planted_faults.run_here(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield ["deep1", "--tables", "paper", "--scale", "smoke", "--only", "row=mine, multi-grid"]
    sys.modules.pop("mynets", None)


def _states(*words):
    code, out, message = repro("plan", *words, "--json")
    assert code == 0, message
    rows = [row for row in json.loads(out)["rows"] if row["kind"] in ("training", "evaluation")]
    return {(row["kind"], row["label"]): row["state"] for row in rows}


@pytest.mark.slow  # three runs and an edit: about a minute
def test_the_worked_example(example):
    code, out, message = repro("check-network", "mynets:build", "--set", "model.multi_grid=[1,2,4]", "--json")
    assert code == 0, message
    answer = json.loads(out)
    assert {row["passed"] for row in answer["rows"]} == {True}
    units = [(3, 8), (8, 8), (8, 16), (16, 16), *[(16, 16)] * 3]
    assert answer["parameters"] == sum(9 * c_in * c_out + 2 * c_out for c_in, c_out in units) + 16 * 21 + 21
    code, out, message = repro("run", *example, "--device", "cpu", "--jobs", 1, "--json")
    assert code == 0, message
    assert len([row for row in json.loads(out)["rows"] if row["kind"] == "measured" and row["value"]]) == 1
    records = [json.loads(path.read_text()) for path in Path("runs").glob("trainings/*/record.json")]
    assert len(records) == 2  # the pre-training and the training
    assert all("mynets" in record["code"]["modules"] for record in records)
    assert {record["config"]["model"]["implementation"] for record in records} == {"mynets:build"}
    assert set(_states(*example).values()) == {"stored"}
    path = Path("mynets.py")
    path.write_text(path.read_text().replace("class Net(", "# other layout\nclass Net(") + "\n")
    assert set(_states(*example).values()) == {"stored"}
    path.write_text(path.read_text().replace("nn.ReLU()", "nn.ReLU6()"))
    assert set(_states(*example).values()) == {"code changed: mynets", "its training: code changed: mynets"}


@pytest.mark.usefixtures("example")
def test_what_the_cells_vary_and_it_does_not_take_is_refused_before_anything_runs():
    shared = ["v3/table3", "--scale", "smoke", "--set", "model.implementation=mynets:build"]
    code, _, message = repro("run", *shared)
    assert (code, "set.model.last_block: mynets:build has no parameter last_block" in message) == (2, True)
    assert not Path("runs").exists()


def test_one_that_cannot_be_used_is_refused_before_anything_runs(example):
    path = Path("mynets.py")
    path.write_text(path.read_text().replace("self.classifier(self", "(self"))
    code, _, message = repro("run", *example)
    assert code == 2
    assert "mine, multi-grid: model.implementation: mynets:build gave shape (1, 16, " in message
    assert not Path("runs").exists()
    code, out, _ = repro("check-network", "mynets:build")
    assert (code, "FAIL" in out) == (1, True)
    code, _, message = repro("check-network", "mynets:build", "--output-strides", "8,²")
    assert (code, "--output-strides 8,²: give some of 4, 8, 16, 32, 64, 128, 256" in message) == (2, True)
