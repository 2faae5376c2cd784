"""A library's maintainer commits the baseline of his DeepLab: a change of the library is found, and where it is."""

import importlib
import json

import planted_faults
import pytest
from small_paper import IDENTITY, RULES, repro

TABLE = """
id = "deep/table1"
aliases = ["deep1"]
title = "Of a library"
source = { paper = "deep", table = "1" }
headings = ["Network"]

[[rows]]
printed = ["theirs"]
published = 60.1
[rows.set]
model.implementation = "IMPLEMENTATION"
model.atrous_rates = [1, 2, 3]
train.optimizer = "adamw"
pretrain.output_stride = 16
"""


def rates_too_large(module: str):
    def change(patch):
        conv = importlib.import_module(module).ASPPConv
        real = conv.__init__
        patch.setattr(conv, "__init__", lambda self, c_in, c_out, rate: real(self, c_in, c_out, rate + 1))

    return change


CASES = {
    "torchvision": (
        "repro.nets.torchvision_networks:deeplabv3",
        rates_too_large("torchvision.models.segmentation.deeplabv3"),
        "outputs of classifier.0.convs (training mode)",
    ),
    "segmentation_models_pytorch": (
        "repro.nets.smp_networks:deeplabv3",
        rates_too_large("segmentation_models_pytorch.decoders.deeplabv3.decoder"),
        "outputs of decoder.aspp.convs (training mode)",
    ),
}


@pytest.mark.slow  # two checks and a baseline: half a minute each
@pytest.mark.parametrize("library", CASES)
def test_a_planted_change_of_a_library_is_found_on_another_kind_of_machine(library, tmp_path, monkeypatch):
    pytest.importorskip(library)
    implementation, change, place = CASES[library]
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/paper.toml").write_text(f"{IDENTITY}\n[protocol.train]\niterations = 4000\n{RULES}")
    (tmp_path / "paper/table1.toml").write_text(TABLE.replace("IMPLEMENTATION", implementation))
    planted_faults.run_here(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["check", "deep1", "--tables", "paper", "--device", "cpu", "--jobs", 1]
    code, _, told = repro(*words, "--seeds", 2, "--update")
    assert code == 0, told
    assert (tmp_path / "reports/baselines/smoke/deep-table1.safetensors").exists()
    path = tmp_path / "reports/baselines/smoke/deep-table1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": None}))
    code, _, told = repro(*words)
    assert code == 0, told
    change(monkeypatch)  # what is stored stays: a change of a library is not in the code that records keep
    code, out, _ = repro(*words, "--json")
    assert code == 1
    answer = json.loads(out)
    assert [row["state"] for row in answer["rows"]] == ["equal"]
    firsts = {row["id"]: row["first"] for row in answer["frozen"]}
    assert firsts.pop("deep/table1/theirs: evaluation") is not None
    assert set(firsts.values()) == {place}
