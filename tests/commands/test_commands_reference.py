"""`repro reference` on a throw-away paper, and what a run with one seed says with its file."""

import json
import shutil

import pytest
from small_paper import depth_table, newest, write_paper
from small_paper import repro as command

import repro.report.stored_reference as references

ONE_SEED = "One seed: verdicts take seed noise from reference runs (5 seeds, commit"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with five seeds of a table and its reference, and the words that all commands share."""
    folder = tmp_path_factory.mktemp("reference")
    paper = folder / "paper"
    paper.mkdir()
    write_paper(paper)
    (paper / "table2.toml").write_text(depth_table(2))
    shared = ["deep2", "--tables", paper, "--scale", "smoke"]
    words = ["--store", folder / "runs", "--seeds", 5, "--device", "cpu", "--jobs", 1, "--out", folder / "five"]
    code, _, told = command("run", *shared, *words)
    assert code == 0, told
    code, out, told = command("reference", *shared, "--store", folder / "runs", "--out", folder / "kept", "--json")
    assert code == 0, told
    assert "deep/table2: 2 cells, 5 seeds, commit" in told
    return folder, shared, json.loads(out)["rows"]


@pytest.fixture
def kept(made, tmp_path, monkeypatch):
    """The reference, in a folder of its own, as if committed: its path."""
    shutil.copytree(made[0] / "kept", tmp_path / "kept")
    monkeypatch.setattr(references, "references", lambda: tmp_path / "kept")
    return tmp_path / "kept/smoke/deep-table2.json"


def reported(made, tmp_path, *more):
    """What a report of one seed says, as Markdown."""
    folder, shared, _ = made
    words = ["--store", folder / "runs", "--seeds", 1, "--out", tmp_path / "out", "--format", "md"]
    code, _, told = command("report", *shared, *words, *more)
    assert code == 0, told
    return newest(tmp_path / "out", "deep-table2", "md").read_text()


def test_the_file_holds_the_scores_of_the_store(made):
    folder, _, rows = made
    path = folder / "kept/smoke/deep-table2.json"
    assert [(row["id"], row["path"], row["seeds"]) for row in rows] == [("deep/table2", str(path), [0, 1, 2, 3, 4])]
    content = json.loads(path.read_text())
    stored = sorted(
        json.loads(record.read_text())["result"]["metrics"]["miou"]
        for record in (folder / "runs/evaluations").glob("*/record.json")
    )
    assert sorted(score for cell in content["cells"] for score in cell["scores"].values()) == pytest.approx(stored)
    assert [cell["settings"]["model.last_block"] for cell in content["cells"]] == [4, 5]
    assert content["protocol"]["train.crop"] == 33


def test_one_seed_is_judged_with_it_and_says_so(made, kept, tmp_path):
    without = tmp_path / "without"
    page = reported(made, tmp_path)
    assert "seed noise taken from reference runs (5 seeds, commit" in page
    kept.rename(without)
    assert "reference runs" not in reported(made, tmp_path)


@pytest.mark.usefixtures("kept")
def test_plan_and_run_say_which_cells_have_one(made, tmp_path):
    folder, shared, _ = made
    code, out, _ = command("plan", *shared, "--store", tmp_path / "runs", "--device", "cpu")
    assert code == 0
    assert f"{ONE_SEED} " in out
    assert "which 2 of 2 measured cells have." in out
    code, _, told = command("run", *shared, "--store", folder / "runs", "--out", tmp_path / "out", "--device", "cpu")
    assert code == 0
    assert ONE_SEED in told
    for more in (["--seeds", 2], ["--set", "train.lr=0.003"]):
        assert ONE_SEED not in command("plan", *shared, "--store", tmp_path / "runs", "--device", "cpu", *more)[1]


def test_a_report_is_written_anew_when_the_reference_changes(made, kept, tmp_path):
    folder, shared, _ = made
    words = ["run", *shared, "--store", folder / "runs", "--out", tmp_path / "out", "--device", "cpu"]
    assert "up to date" not in command(*words)[2]
    assert "up to date" in command(*words)[2]
    kept.unlink()
    assert "up to date" not in command(*words)[2]


def test_a_score_unlike_the_reference_is_remarked(made, kept, tmp_path):
    content = json.loads(kept.read_text())
    content["cells"][0]["scores"] = {str(seed): 0.9 + seed / 1000 for seed in range(5)}
    kept.write_text(json.dumps(content))
    page = reported(made, tmp_path)
    assert "is not as in the reference runs (5 seeds, commit" in page
    assert "seed noise taken from" not in page


@pytest.mark.parametrize("words", [["plan"], ["run"], ["report"]])
def test_a_damaged_file_is_refused_before_anything_is_computed(words, made, kept, tmp_path):
    _, shared, _ = made
    kept.write_text("{")
    code, _, told = command(*words, *shared, "--store", tmp_path / "runs")
    assert code == 2
    assert str(kept) in told
    assert "repro reference" in told
    assert not (tmp_path / "runs" / "trainings").exists() or not list((tmp_path / "runs" / "trainings").iterdir())


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--seeds", 4], "--seeds 4: a reference takes 5 seeds or more"),
        (["--seeds", 6], "seed 5, is not stored"),
        (["--scale", "tiny"], "is not stored"),
    ],
)
def test_what_is_not_stored_makes_no_reference(more, named, made, tmp_path):
    folder, shared, _ = made
    code, _, told = command("reference", *shared, *more, "--store", folder / "runs", "--out", tmp_path / "kept")
    assert code == 2
    assert named in told
    assert not (tmp_path / "kept").exists()


def test_a_table_without_measured_cells_makes_none(tmp_path):
    code, _, told = command("reference", "v3/fig4", "--store", tmp_path / "runs", "--out", tmp_path / "kept")
    assert code == 2
    assert "no cell of it is measured" in told
