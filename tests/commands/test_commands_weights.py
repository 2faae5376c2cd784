"""ImageNet weights on the command line: refused before anything runs, and told where they had their strides."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_paper import IDENTITY, depth_table, newest, repro
from torchvision.models.resnet import Bottleneck, ResNet

PAPER = f"""{IDENTITY}
[protocol]
data = {{ name = "scenes", side = 33, train_split = "train", classes = 9, train_images = 8, val_images = 6 }}
model = {{ units = [1, 1, 1, 2] }}
train = {{ crop = 33, batch_size = 4, iterations = 3 }}
evaluate = {{ canvas = [33, 33] }}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "paper.toml").write_text(PAPER)
    (folder / "table1.toml").write_text(depth_table(1))
    torch.manual_seed(0)
    state = dict(ResNet(Bottleneck, [1, 1, 1, 2]).state_dict())
    del state["conv1.weight"]
    norm = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    state |= {f"conv1.{at}.{name}": torch.full((64,), value) for at in (1, 4) for name, value in norm.items()}
    state |= {f"bn1.{name}": torch.full((128,), value) for name, value in norm.items()}
    state |= {"conv1.0.weight": torch.rand(64, 3, 3, 3), "conv1.3.weight": torch.rand(64, 64, 3, 3)}
    state |= {"conv1.6.weight": torch.rand(128, 64, 3, 3), "layer1.0.conv1.weight": torch.rand(64, 128, 1, 1)}
    state["layer1.0.downsample.0.weight"] = torch.rand(256, 128, 1, 1)
    save_file(state, folder / "resnet101s.safetensors")
    save_file(state, folder / "told.safetensors", metadata={"stride_at": "last_unit"})
    return folder


def ask(place: Path, command: str, weights: str, *words: str, scale: str = "paper") -> tuple[int, str, str]:
    told = (
        command,
        "deep1",
        "--tables",
        place,
        "--scale",
        scale,
        "--store",
        place / "runs",
        "--weights",
        place / weights,
    )
    return repro(*told, *words)


@pytest.mark.parametrize("harm", ["cut", "text", "pipe", "segmentation", "NaN", "narrow"])
def test_weights_that_cannot_be_used_are_refused_before_anything_runs(place: Path, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "resnet101.pth"
    whole = (place / "resnet101s.safetensors").read_bytes()
    if harm == "cut":
        path = tmp_path / "resnet101.safetensors"
        path.write_bytes(whole[:-100])
    elif harm == "text":
        path.write_bytes(b"not found\n")
    elif harm == "pipe":
        os.mkfifo(path)
    elif harm == "segmentation":
        torch.save({"backbone.layer1.0.conv1.weight": torch.ones(1), "decode_head.x.weight": torch.ones(1)}, path)
    elif harm == "NaN":
        torch.save({"layer1.0.conv1.weight": torch.full((3,), torch.nan)}, path)
    words = ["--set", "model.width=8"] if harm == "narrow" else []
    file = str(path) if harm != "narrow" else "resnet101s.safetensors"
    told = {
        "cut": "not readable as weights",
        "text": "damaged, or holds more than tensors",
        "pipe": "no ordinary file",
        "segmentation": "these are a segmentation network of mmsegmentation",
        "NaN": "layer1.0.conv1.weight holds NaN",
        "narrow": "have another shape",
    }
    store, out = tmp_path / "runs", tmp_path / "out"
    code, _, err = ask(place, "run", file, "--out", str(out), "--jobs", "1", "--store", str(store), *words)
    assert code == 2
    assert told[harm] in err
    assert "trained in" not in err
    assert not out.exists()
    assert not [path for path in store.rglob("record.json")]


def test_strides_that_the_weights_had_elsewhere_are_told_by_the_plan_and_counted_as_a_departure(place: Path) -> None:
    code, out, _ = ask(place, "plan", "resnet101s.safetensors", "--json")
    assert code == 0
    plan = json.loads(out)
    line = next(line for line in plan["caveats"] if "weights.stride_at" in line)
    assert line.startswith(
        "weights.stride_at, all measured cells: The weights were trained with their strides in the 3x3 "
    )
    assert "--set model.stride_at=first_unit" in line
    assert "(weights.stride_at)" in plan["unjudged"]

    def deviations(weights: str, *words: str) -> tuple[list[str], str]:
        code, _, err = ask(place, "report", weights, "--out", str(place / "out"), "--format", "md,json", *words)
        assert code == 0, err
        told = json.loads(newest(place / "out", "deep-table1", "json").read_text())
        return [d["key"] for d in told["deviations"]], newest(place / "out", "deep-table1", "md").read_text()

    keys, markdown = deviations("resnet101s.safetensors")
    assert keys == ["weights.stride_at"]
    assert "| `weights.stride_at` | last\\_unit | first\\_unit | ↓ lower | The weights were trained" in markdown
    # each of the two remedies: strides where the weights had them (a departure too), or weights that had them here
    assert deviations("resnet101s.safetensors", "--set", "model.stride_at=first_unit")[0] == ["model.stride_at"]
    assert deviations("told.safetensors")[0] == []
    assert not [line for line in json.loads(ask(place, "plan", "told.safetensors", "--json")[1])["caveats"]]


def test_a_network_that_starts_otherwise_has_no_such_departure(place: Path) -> None:
    code, out, _ = ask(place, "plan", "resnet101s.safetensors", "--json", "--set", "train.start=random")
    assert code == 0
    assert json.loads(out)["caveats"] == []
    assert json.loads(ask(place, "plan", "resnet101s.safetensors", "--json", scale="smoke")[1])["caveats"] == []
