"""A data set of one's own: the worked example of docs/extending.md, and what else a declaration may come to."""

import json
import re
from pathlib import Path

import numpy as np
import planted_faults
import pytest
from PIL import Image
from small_paper import repro, write_paper

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
TOWN = next(text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "splits" in text)


@pytest.fixture
def town(tmp_path, monkeypatch):
    """The example's file, its images, a throw-away paper; the words that its commands share."""
    rng = np.random.default_rng(0)
    (tmp_path / "town.toml").write_text(TOWN)
    for split, count in (("train", 8), ("val", 4)):
        for kind in ("photos", "labels"):
            (tmp_path / f"town/{kind}/{split}").mkdir(parents=True)
        for k in range(count):
            labels = np.repeat(np.repeat(rng.integers(0, 4, (6, 8)), 8, axis=0), 8, axis=1).astype(np.uint8)
            Image.fromarray((labels * 60)[..., None].repeat(3, 2)).save(tmp_path / f"town/photos/{split}/{k}.jpg")
            Image.fromarray(labels).save(tmp_path / f"town/labels/{split}/{k}.png")
    (tmp_path / "paper").mkdir()
    planted_faults.run_here(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return ["--tables", write_paper(tmp_path / "paper"), "--scale", "smoke"]


def test_the_worked_example(town):
    code, out, message = repro("data", "verify", "town.toml", "--data", "town", "--json")
    assert code == 0, message
    rows = {row["id"]: row for row in json.loads(out)["rows"]}
    assert rows["val: labels"]["value"] == "all and void"
    code, _, message = repro("data", "show", "town.toml", "--data", "town", "--out", "town.png")
    assert code == 0, message
    assert Image.open("town.png").size[0] > 64
    shared = [*town, "--dataset", "town.toml", "--data", "town"]
    code, out, message = repro("run", "deep1", *shared, "--device", "cpu", "--jobs", 1, "--json")
    assert code == 0, message
    measured = [row for row in json.loads(out)["rows"] if row["kind"] == "measured"]
    assert len(measured) == 2
    assert all(0 <= row["value"] <= 100 for row in measured)
    (training, *_), (evaluation, *_) = (
        [json.loads(path.read_text()) for path in Path("runs").glob(f"{kind}/*/record.json")]
        for kind in ("trainings", "evaluations")
    )
    assert evaluation["config"]["data"] == {"name": "town", "split": "val", "classes": 3, "images": 6, "side": 33}
    assert "repro.data.declared" in training["code"]["modules"]
    assert "repro.data.camvid" not in training["code"]["modules"]
    page = next(Path("reports/local").glob("deep-table1*.md")).read_text()
    assert "Streets of our town" in page
    code, out, message = repro("plan", "deep1", *shared, "--json")
    assert code == 0, message
    assert {row["state"] for row in json.loads(out)["rows"] if "state" in row} == {"stored"}
    # what labels mean is part of the key
    Path("town.toml").write_text(TOWN.replace("void = 0", "void = [0, 9]"))
    code, out, message = repro("plan", "deep1", *shared, "--json")
    assert code == 0, message
    assert {row["state"] for row in json.loads(out)["rows"] if "state" in row} == {"data changed"}


def test_a_data_set_of_ones_own_tables_is_known_by_name(town):
    text = TOWN.replace("[files]", "[village.files]").replace("[labels]", "[village.labels]")
    Path("paper/datasets.toml").write_text(f"[village]\n{text}")
    code, out, message = repro("plan", "deep1", *town, "--dataset", "village", "--data", "town", "--json")
    assert code == 0, message
    assert json.loads(out)["rows"]
    code, out, message = repro("show", "deep1", *town, "--dataset", "village")
    assert code == 0, message


@pytest.mark.parametrize("command", ["plan", "run"])
def test_one_that_does_not_say_where_its_files_are(town, command):
    Path("paper/datasets.toml").write_text(
        '[mine]\ntitle = "Mine"\nclasses = ["a", "b"]\nsplits = {train = 2, val = 1}\n'
    )
    code, _, message = repro(command, "deep1", *town, "--dataset", "mine", "--data", "town")
    assert code == 2
    assert "data set 'mine': its declaration does not say where its files are. Add [files]" in message
    assert not Path("runs/trainings").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "deep1", "--dataset", "none.toml"], "--dataset none.toml: no such file"),
        (["data", "verify", "none.toml", "--data", "town"], "none.toml: no such file"),
        (["run", "deep1", "--dataset", "town.toml"], "--data: town is read from a directory and none was given"),
        (["run", "deep1", "--dataset", "town.toml", "--data", "paper"], "paper: not town (--data): there is no photos"),
        (["data", "verify", "twon", "--data", "town"], 'data set "twon": there is no such data set'),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(town, words, message):
    code, _, said = repro(*words, *(town if words[0] == "run" else []))
    assert code == 2
    assert message in said
    assert "\n" not in said.strip()
