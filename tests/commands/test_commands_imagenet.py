"""`repro data errors` on a small tree in ImageNet's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from repro.commands.imagenet import ROWS, TABLE, errors_of
from repro.errors import InputError
from repro.spec.load import load_suite


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for k, wnid in enumerate(("n01", "n02", "n03")):
        folder = tmp_path / "imagenet/val" / wnid
        folder.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (60, 70, 3), dtype=np.uint8)).save(folder / f"val_{k}.JPEG")
    return tmp_path / "imagenet"


def test_weights_that_always_guess_one_class(
    imagenet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = torchvision.models.resnet50(num_classes=9)
    torch.nn.init.zeros_(network.fc.weight)
    network.fc.bias.data = torch.tensor([0.0, 9, 8, 7, 6, 5, 4, 3, 2])  # class 1 first; class 0 not among five
    torch.save(network.state_dict(), tmp_path / "resnet50-test.pth")
    errors_of(["resnet50"], imagenet, tmp_path, None, "cpu", True)
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["id"], round(row["value"], 2)) for row in rows] == [
        ("resnet50/top1_error", 66.67),
        ("resnet50/top5_error", 33.33),
    ]
    assert {row["published"] for row in rows} == {None}
    errors_of(["resnet50"], imagenet, tmp_path, 2, "auto", False)
    assert "50.00" in capsys.readouterr().out


def test_what_is_missing_is_told(imagenet: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--weights: give a folder"):
        errors_of(["resnet101"], imagenet, None, None, "cpu", False)
    with pytest.raises(InputError, match="no weights for xception65 here"):
        errors_of(["xception65"], imagenet, tmp_path, None, "cpu", False)
    with pytest.raises(InputError, match=r"val: no such directory \(--data for imagenet\)"):
        errors_of(["xception65"], tmp_path, tmp_path, None, "cpu", False)


def test_rows_are_those_of_the_table() -> None:
    assert set(ROWS.values()) == {cell.row_label for cell in load_suite().find(TABLE).cells()}
