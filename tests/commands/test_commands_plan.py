"""`repro plan` as a user sees it."""

import json
import re

import pytest
from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError


def _plan(*arguments):
    done = CliRunner().invoke(app, ["plan", *arguments, "--store", "none"])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_paper_scale_is_planned_without_the_data_and_says_so():
    told = _plan("v3/table3", "--scale", "paper")
    assert "20 evaluations of 20 trainings" in told
    assert "Data not here: voc2012" in told
    assert "--data" in told


def test_seeds_share_a_line():
    lines = _plan("v3/table4", "--scale", "tiny", "--seeds", "5").splitlines()
    shared = [line for line in lines if line.startswith("training ")]
    assert len(shared) == 2  # one line for five pre-trainings, one for what starts from them
    assert all(" 0 to 4 " in line for line in shared)
    found = json.loads(_plan("v3/table4", "--scale", "tiny", "--seeds", "5", "--json"))
    assert sum(row["kind"] == "training" for row in found["rows"]) == 10


def test_trainings_have_labels_that_can_be_read():
    rows = json.loads(_plan("pitfalls/deeplabv3", "v2/table4", "v3/table6", "--scale", "smoke", "--json"))["rows"]
    labels = [row["label"] for row in rows if row["kind"] == "training"]
    assert max(map(len, labels)) <= 90
    assert any(re.fullmatch(r"as published and \d+ more", label) for label in labels)
    told = _plan("all", "--scale", "smoke")
    assert " 0, 0 " not in told


def test_what_it_costs_on_a_gpu():
    told = _plan("v3/table3", "--scale", "paper", "--gpu", "h200")
    for word in (
        "Cost, AT AN ASSUMED RATE: ",
        "GPU hours",
        "ASSUMED, not measured",
        "Memory: at most",
        "Disk: about",
        "Critical path:",
    ):
        assert word in told
    found = json.loads(_plan("v3/table3", "--scale", "paper", "--gpu", "h200", "--json"))
    gpu = found["gpu"]
    assert gpu["measured"] is False
    assert gpu["hours"] == pytest.approx(gpu["training_hours"] + gpu["evaluation_hours"])
    assert gpu["critical_path_hours"] < gpu["hours"]
    assert 5e9 < gpu["memory_bytes"] < 100e9
    assert list(found["absent"]) == ["voc2012"]


def test_sharing_over_the_whole_suite_is_told():
    found = json.loads(_plan("all", "--scale", "paper", "--gpu", "h100", "--json"))
    assert found["sharing"]["with"] == found["trainings"] == sum(row["kind"] == "training" for row in found["rows"])
    assert found["sharing"]["shared"] > found["trainings"]
    assert found["trainings"] < found["cells"]["measured"]


def test_your_own_measured_rate_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "repro").mkdir()
    path = tmp_path / "repro/gpus.toml"
    path.write_text(
        '[h200]\ntitle = "mine"\nmemory_gb = 141\n'
        'measured = { rate = 1e8, what = "a step", versions = "torch 2", when = "2026-01-01" }\n'
    )
    told = _plan("v3/table3", "--scale", "paper", "--gpu", "h200")
    assert "Rate: measured: 1e+14 multiply-adds/s, a step, torch 2, 2026-01-01." in told
    assert "ASSUMED" not in told
    # v3's Table 3: 20 networks of ResNet-101 at 513 x 513, 30,000 iterations of 16; the hours follow from the rate
    hours = float(told.split("Cost: ")[1].split(" GPU hours")[0])
    path.write_text(path.read_text().replace("rate = 1e8", "rate = 5e7"))
    half = _plan("v3/table3", "--scale", "paper", "--gpu", "h200")
    assert float(half.split("Cost: ")[1].split(" GPU hours")[0]) == pytest.approx(2 * hours, abs=0.11)
    path.write_text('[h200]\ntitle = "mine"\nmemory = 141\n')
    with pytest.raises(InputError, match=r"gpus.toml: h200: memory"):
        _plan("v3/table3", "--scale", "paper", "--gpu", "h200")


def test_an_unknown_gpu_names_those_there_are():
    with pytest.raises(InputError, match=r"h20: there is no such kind; there are h200, .* Did you mean 'h200'"):
        _plan("v3/table3", "--gpu", "h20")
