"""A library's maintainer commits the baseline of his DeepLab: a change of the library is found, and where it is."""

import json
import sys

import planted_faults
import pytest
from small_paper import IDENTITY, RULES, repro

TORCHVISION = """
from torch import nn
from torchvision.models import resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3


def build(num_classes: int, output_stride: int) -> nn.Module:
    strides = [False, output_stride < 16, output_stride < 32]
    backbone = resnet.ResNet(resnet.Bottleneck, [1, 1, 1, 1], width_per_group=4, replace_stride_with_dilation=strides)
    head = nn.Sequential(ASPP(2048, [1, 2], out_channels=16), nn.Conv2d(16, num_classes, 1))
    return DeepLabV3(IntermediateLayerGetter(backbone, {"layer4": "out"}), head)
"""
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
model.implementation = "theirs:build"
train.optimizer = "adamw"
"""


def torchvision_rates_too_large(patch):
    from torchvision.models.segmentation import deeplabv3

    real = deeplabv3.ASPPConv.__init__
    patch.setattr(deeplabv3.ASPPConv, "__init__", lambda self, c, d, rate: real(self, c, d, rate + 1))


CASES = {
    "torchvision": (TORCHVISION, torchvision_rates_too_large, "outputs of classifier.0.convs (training mode)"),
}


@pytest.mark.slow  # wide networks of others: a minute each
@pytest.mark.parametrize("library", CASES)
def test_a_planted_change_of_a_library_is_found_on_another_kind_of_machine(library, tmp_path, monkeypatch):
    pytest.importorskip(library)
    module, change, place = CASES[library]
    (tmp_path / "theirs.py").write_text(module)
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper/paper.toml").write_text(f"{IDENTITY}\n[protocol.train]\niterations = 4000\n{RULES}")
    (tmp_path / "paper/table1.toml").write_text(TABLE)
    planted_faults.run_here(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["check", "deep1", "--tables", "paper", "--device", "cpu", "--jobs", 1]
    try:
        code, _, told = repro(*words, "--seeds", 2, "--update")
        assert code == 0, told
        assert (tmp_path / "reports/baselines/smoke/deep-table1.safetensors").exists()
        path = tmp_path / "reports/baselines/smoke/deep-table1.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": None}))
        code, _, told = repro(*words)
        assert code == 0, told
        change(monkeypatch)  # what is stored stays: a change of a library is not in the code that records keep
        code, out, _ = repro(*words, "--json")
    finally:
        sys.modules.pop("theirs", None)
    assert code == 1
    answer = json.loads(out)
    assert [row["state"] for row in answer["rows"]] == ["equal"]
    firsts = {row["id"]: row["first"] for row in answer["frozen"]}
    assert firsts.pop("deep/table1/theirs: evaluation") is not None
    assert set(firsts.values()) == {place}
