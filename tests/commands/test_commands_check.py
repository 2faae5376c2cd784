"""`repro check` on a throw-away paper: equal without a fault, failing with each of the planted ones, and its papers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import planted_faults
import pytest
from planted_faults import FAULTS
from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError

PAPER = """
id = "deep"
title = "Depth"
arxiv = "0000.00000"
year = 2020
authors = "Nobody"

[protocol.train]
iterations = 4000 # 4 at scale smoke
momentum = 0.9
weight_decay = 0.01
[protocol.model]
multi_grid = [1, 2, 4]
"""
SMALLER = {
    "model.width": "2",
    "model.stem_width": "2",
    "model.head_channels": "4",
    "data.side": "33",
    "data.train_images": "8",
    "data.val_images": "6",
    "evaluate.canvas": "[33, 33]",
    "evaluate.batch_size": "2",
    "train.crop": "33",
    "train.batch_size": "4",
    "train.weight_decay": "0.01",
    "train.lr": "0.0002",  # soon everything would be called background, and no fault of the evaluation seen
    "pretrain.crop": "33",
    "pretrain.batch_size": "4",
    "pretrain.iterations": "3",
}
RULES = "".join(
    f'\n[[deviations]]\nscale = "smoke"\nkey = "{key}"\nvalue = {value}\nreason = "Faster."\n'
    for key, value in SMALLER.items()
)
TABLE = """
id = "deep/table1"
aliases = ["deep1"]
title = "Heads"
source = { paper = "deep", table = "1" }
headings = ["Head"]
[[columns]]
metric = "miou"
[[columns]]
metric = "multiply_adds"

[[rows]]
printed = ["aspp"]
published = [60.1, 50.0]
[rows.set]
model.head = "aspp"
model.atrous_rates = [6, 12]
model.image_pooling = true
model.decoder = ["conv2"]
train.optimizer = "adamw"
evaluate.output_stride = 8
[[rows]]
printed = ["cascade"]
published = [63.2, 40.0]
[rows.set]
train.optimizer = "sgd"
model.last_block = 5
"""


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    (folder / "paper.toml").write_text(PAPER + RULES)
    (folder / "table1.toml").write_text(TABLE)
    return folder


def check(*words):
    """The command in this process: its exit code, stdout and stderr; wrong input as the command's own 2."""
    found = CliRunner().invoke(app, ["check", *map(str, words)])
    if isinstance(found.exception, InputError):
        return 2, found.stdout, str(found.exception)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture(scope="module")
def made(paper, tmp_path_factory):
    """A folder with a baseline of three seeds, and the words that every check of it shares."""
    folder = tmp_path_factory.mktemp("check")
    shared = ["deep1", "--tables", paper, "--baselines", folder / "baselines", "--device", "cpu", "--jobs", 1]
    with pytest.MonkeyPatch.context() as patch:
        planted_faults.run_here(patch)
        code, _, told = check(*shared, "--store", folder / "runs", "--update")
    assert code == 0, told
    return folder, shared


def test_what_is_stored_is_equal(made, tmp_path):
    folder, shared = made
    code, out, told = check(*shared, "--store", folder / "runs", "--seeds", 3, "--json", "--junit", tmp_path / "j.xml")
    assert code == 0, told
    assert "all 4 cells are equal to the last bit" in told
    document = json.loads(out)
    assert document["passed"]
    assert [row["state"] for row in document["rows"]] == ["equal"] * 4
    assert {row["kind"] for row in document["rows"]} == {"computed", "measured"}
    assert all(0 < row["value"] < 1 for row in document["rows"] if row["kind"] == "measured")
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "0", "0")
    assert len(root.findall("testsuite/testcase")) == 4


def test_what_is_computed_again_is_equal(made, monkeypatch, tmp_path):
    folder, shared = made
    planted_faults.run_here(monkeypatch)
    code, out, told = check(*shared, "--store", tmp_path / "runs", "--seeds", 1)
    assert (code, out) == (0, ""), told


@pytest.mark.parametrize("what", FAULTS)
def test_planted_faults_are_caught(what, made, monkeypatch, tmp_path):
    folder, shared = made
    shutil.copytree(folder / "runs" / "cache", tmp_path / "runs" / "cache")
    planted_faults.run_here(monkeypatch)
    FAULTS[what](monkeypatch)
    words = ["--store", tmp_path / "runs", "--junit", tmp_path / "c.xml", "--markdown", tmp_path / "c.md"]
    code, out, told = check(*shared, *words)
    assert code == 1, (out, told)
    assert "moved" in out
    assert "--update" in told
    failures = ElementTree.parse(tmp_path / "c.xml").getroot().findall("testsuite/testcase/failure")
    assert failures
    assert all("->" in failure.text for failure in failures)
    assert "FAILED" in (tmp_path / "c.md").read_text()
