"""`--weights-trained`: cells evaluated with a network that somebody else trained."""

from __future__ import annotations

import json
import shutil

import numpy as np
import planted_faults
import pytest
import safetensors.torch
import torch
from PIL import Image
from small_paper import repro, write_paper


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with a trained paper, its report's score of one cell, and that cell's weights in a file."""
    folder = tmp_path_factory.mktemp("trained")
    paper = write_paper(tmp_path_factory.mktemp("deep"))
    shared = ["--tables", paper, "--scale", "smoke", "--device", "cpu", "--jobs", 1]
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        code, _, told = repro("run", "deep1", *shared, "--store", folder / "runs", "--out", folder / "out")
    assert code == 0, told
    records = {path: json.loads(path.read_text()) for path in (folder / "runs").glob("*/*/record.json")}
    path = next(p for p, r in records.items() if r["kind"] == "training" and r["config"]["model"]["head"] == "aspp")
    record = next(r for r in records.values() if r["kind"] == "evaluation" and r["training"] == path.parent.name)
    shutil.copy(path.parent / "weights.safetensors", folder / "mine.safetensors")
    return folder, shared, record


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    planted_faults.run_here(monkeypatch)


def run(shared, tmp_path, file, *more):
    words = ["run", "deep1", *shared, "--only", "row=aspp", "--store", tmp_path / "runs", "--out", tmp_path / "out"]
    return repro(*words, "--weights-trained", file, *more)


def test_the_same_weights_score_the_same_and_nothing_is_trained(trained, tmp_path):
    folder, shared, record = trained
    code, _, told = run(shared, tmp_path, folder / "mine.safetensors")
    assert code == 0, told
    (path,) = (tmp_path / "runs/evaluations").glob("*/record.json")
    own = json.loads(path.read_text())
    assert own["result"]["metrics"]["miou"] == record["result"]["metrics"]["miou"]
    (path,) = (tmp_path / "runs/trainings").glob("*/record.json")
    training = json.loads(path.read_text())
    assert training["result"]["iterations"] == 0
    assert training["result"]["curve"]["loss"] == []
    assert training["config"]["train"]["start"] == "trained"
    (page,) = (tmp_path / "out").glob("deep-table1*.md")
    assert "--weights-trained" in page.read_text()
    # other weights are another network
    state = safetensors.torch.load_file(folder / "mine.safetensors")
    other = {name: -value if "classifier" in name else value for name, value in state.items()}
    safetensors.torch.save_file(other, tmp_path / "b.safetensors")
    code, _, told = run(shared, tmp_path, tmp_path / "b.safetensors")
    assert code == 0, told
    assert len(list((tmp_path / "runs/evaluations").glob("*/record.json"))) == 2


def test_a_picture_is_labelled_by_such_a_network_whatever_the_tables_other_cells_are(trained, tmp_path):
    folder, shared, _ = trained
    picture = tmp_path / "p.png"
    Image.fromarray(np.zeros((33, 33, 3), np.uint8)).save(picture)
    file, store = folder / "mine.safetensors", tmp_path / "runs"
    words = ["predict", picture, "--from", "deep1/aspp", *shared[:6], "--store", store, "--out", tmp_path / "maps"]
    code, _, told = repro(*words, "--weights-trained", file)
    assert code == 2
    assert f"--store {store} --tables {shared[1]} --weights-trained {file}" in told.partition("Run: repro run")[2]
    assert run(shared, tmp_path, file)[0] == 0
    code, _, told = repro(*words, "--weights-trained", file)
    assert code == 0, told
    assert (tmp_path / "maps/p-labels.png").exists()


def test_weights_of_another_network_are_refused_before_anything_runs(trained, tmp_path):
    folder, shared, _ = trained
    state = safetensors.torch.load_file(folder / "mine.safetensors")
    name = next(key for key in state if state[key].dim() == 4)
    for change, match in (
        ({name: None}, f"lacks {name}"),
        ({"more": torch.zeros(1)}, "has in excess more"),
        ({name: torch.zeros(1)}, f"has in other shapes {name}"),
    ):
        wrong = {k: v for k, v in {**state, **change}.items() if v is not None}
        safetensors.torch.save_file(wrong, tmp_path / "wrong.safetensors")
        code, _, told = run(shared, tmp_path, tmp_path / "wrong.safetensors")
        assert code == 2, told
        assert match in told
        assert not (tmp_path / "runs").exists()


def test_what_one_network_cannot_be_is_refused(trained, tmp_path):
    folder, shared, _ = trained
    file = folder / "mine.safetensors"
    words = [*shared, "--store", tmp_path / "runs", "--out", tmp_path / "out", "--weights-trained", file]
    code, _, told = repro("run", "deep1", *words)
    assert code == 2
    assert "its cells differ in model.head" in told
    code, _, told = run(shared, tmp_path, file, "--seeds", 2)
    assert code == 2
    assert "--seeds 2" in told
    code, _, told = run(shared, tmp_path, tmp_path / "gone.pth")
    assert code == 2
    assert "gone.pth" in told
    code, _, told = repro("run", "deep1", *words[:-2], "--only", "row=aspp", "--set", "train.start=trained")
    assert code == 2
    assert "--weights-trained" in told
    assert not (tmp_path / "runs").exists()
