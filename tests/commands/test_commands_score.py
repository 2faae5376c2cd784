"""`repro score` as people type it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from repro.cli import app
from repro.errors import InputError

SHARED = Path(os.environ.get("REPRO_SHARED") or Path(__file__).resolve().parents[3] / "shared")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        truth = rng.integers(0, 3, (6, 7)).astype(np.uint8)
        for side, labels in (("mine", np.where(rng.random(truth.shape) < 0.8, truth, 0)), ("truth", truth)):
            (tmp_path / side).mkdir(exist_ok=True)
            Image.fromarray(labels.astype(np.uint8)).save(tmp_path / side / f"{name}.png")
    return tmp_path / "mine", tmp_path / "truth"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["score", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_pages_of_two_folders(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = run(*folders, "--out", tmp_path / "out")
    assert out.startswith("mean IOU ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "score.csv", "score.html", "score.json", "score.md",
    ]  # fmt: skip
    document = json.loads((tmp_path / "out" / "score.json").read_text())
    truth = np.stack([read(folders[1] / f"{name}.png") for name in "abc"])
    mine = np.stack([read(folders[0] / f"{name}.png") for name in "abc"])
    ious = [((truth == k) & (mine == k)).sum() / ((truth == k) | (mine == k)).sum() for k in range(3)]
    assert document["miou"] == pytest.approx(np.mean(ious))
    assert document["miou_low"] < document["miou"] < document["miou_high"]
    assert np.sum(document["confusion"]) == truth.size
    markdown = (tmp_path / "out" / "score.md").read_text()
    assert f"Mean IOU {np.mean(ious) * 100:.2f} %" in markdown


def read(path: Path) -> np.ndarray:
    from PIL import Image

    return np.array(Image.open(path))


def test_nothing_is_written_with_wrong_input(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[0] / "b.png").unlink()
    with pytest.raises(InputError, match="1 of 3 predictions are missing: b"):
        run(*folders, "--classes", 3, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    document = json.loads(run(*folders, "--classes", "road,car,sky", "--partial", "--json"))
    assert (document["images"], document["missing"]) == (2, 1)
    assert [c["name"] for c in document["classes"]] == ["road", "car", "sky"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--classes", "1"), "--classes"),
        (("--classes", "99999999999999999999"), "--classes"),
        (("--format", "pdf"), "--format: 'pdf'"),
        (("--dataset", "voc"), "data set \"voc\": there is no such data set.*'voc2012'"),
        (("--data", "."), "--data: which data set"),
        (("--split", "val"), "--split"),
        (("--map", "nothing"), "--map nothing"),
    ],
)
def test_options_that_make_no_sense(folders: tuple[Path, Path], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(*folders, *arguments)


def test_predictions_of_another_size_and_of_unknown_classes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((5, 7), np.uint8)).save(folders[0] / "b.png")
    with pytest.raises(InputError, match=r"b\.png: 7 x 5 pixels, but its ground truth .* has 7 x 6"):
        run(*folders, "--classes", 3, "--out", tmp_path / "out")
    Image.fromarray(np.full((6, 7), 3, np.uint8)).save(folders[0] / "b.png")
    with pytest.raises(InputError, match=r"b\.png: label 3 at row 0, column 0"):
        run(*folders, "--classes", 3, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_message_stays_on_one_line_whatever_a_file_is_called(folders: tuple[Path, Path]) -> None:
    (folders[0] / "b\nrepro: all is well.png").write_bytes((folders[0] / "b.png").read_bytes())
    with pytest.raises(InputError) as caught:
        run(*folders)
    assert r": b\nrepro: all is well. Take them away, or leave them out with --partial." in str(caught.value)


def test_endings_that_no_file_has(folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"mine: no label maps \(.*\) whose names end in '_x\.png'\. Give the folder"):
        run(*folders, "--prediction-ending", "_x.png")


def test_names_that_are_markup_stay_text(folders: tuple[Path, Path], tmp_path: Path) -> None:
    names = "<script>alert(1)</script>,=1+1,c"
    run(*folders, "--classes", names, "--out", tmp_path / "out")
    html = (tmp_path / "out" / "score.html").read_text()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert "class,'=1+1," in (tmp_path / "out" / "score.csv").read_text()


@pytest.mark.skipif(not (SHARED / "foreign").is_dir(), reason="the authors' predictions and VOC images are not here")
def test_the_authors_own_predictions_of_pascal_voc() -> None:
    """Counted by somebody else: mean IOU 63.7497, pixel accuracy 94.2812, mean over images 78.41."""
    place = SHARED / "foreign" / "predictions", "--dataset", "voc2012", "--data", SHARED / "voc2012"
    document = json.loads(run(*place, "--json"))
    assert document["images"] == 317
    assert document["miou"] * 100 == pytest.approx(63.7497, abs=5e-5)
    assert document["pixel_accuracy"] * 100 == pytest.approx(94.2812, abs=5e-5)
    rules = {rule["name"]: rule["miou"] for rule in document["rules"]}
    assert rules["mean over images"] * 100 == pytest.approx(78.41, abs=5e-3)
