"""The CRF's benchmark: what it reports, on pictures small enough for seconds."""

import importlib
import sys

import pytest
import torch

from repro.commands.bench import _package, located
from repro.evaluate.crf import refine
from repro.evaluate.meanfield import Kernels
from repro.spec.protocol import CRF

module = importlib.import_module(f"{_package(located())}.crf")
SETTINGS = CRF.model_validate({"preset": "v2-resnet101", "iterations": 2})


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(module, "HEIGHT", 24)
    monkeypatch.setattr(module, "WIDTH", 40)
    monkeypatch.setattr(module, "CLASSES", 5)
    short = CRF(w1=(4, 5), sigma_alpha=(30, 60), sigma_beta=4, iterations=1, refinements=0)
    monkeypatch.setattr(module, "CRF", lambda: short)


def _images(count):
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (24, 40, 3), generator=generator, dtype=torch.uint8) for _ in range(count)]


def test_a_row_for_each_implementation():
    report = module.measure(SETTINGS, _images(2), "cpu", 1)
    rows = {row["implementation"]: row for row in report["rows"]}
    assert "torch, CPU" in rows
    for row in rows.values():
        assert row["seconds"] > 0
    assert 0 < rows["torch, CPU"]["floor_seconds"] < rows["torch, CPU"]["seconds"]
    if "pydensecrf" in rows:
        assert rows["torch, CPU"]["mean_difference"] < 1e-6
    assert "torch, CPU" in module.table(report)


def test_the_search_is_timed_on_some_images_and_told_for_100():
    took = module.timed_search(_images(3), "cpu", [3, 1])
    assert [run["images"] for run in took["runs"]] == [1, 3]
    assert (took["combinations"], took["pairs_of_sigmas"]) == (4, 2)
    one, three = (run["seconds"] for run in took["runs"])
    assert took["seconds_for_100"] == pytest.approx(one + 99 * (three - one) / 2)
    assert 0 < took["floor_seconds_per_image"] < one
    alone = module.timed_search(_images(2), "cpu", [7])
    assert alone["seconds_for_100"] == pytest.approx(50 * alone["runs"][0]["seconds"])  # there are only two
    report = module.measure(SETTINGS, _images(1), "cpu", 1)
    assert "search" not in module.table(report)
    text = module.table({**report, "search": took})
    for word in ("4 combinations", "3 image(s)", "100 images"):
        assert word in text


def test_several_mean_fields_at_once_move_fewer_bytes_than_one_by_one():
    kernels = Kernels.build(_images(1), 30, 4, 3)
    one, four = (module.traffic(kernels, tables) for tables in (1, 4))
    assert 2 * one < four < 4 * one


def test_agreement_is_of_marginals_and_labels():
    images = _images(1)
    probabilities = [module.soft(images[0], 0)]
    assert probabilities[0].shape == (5, 24, 40)
    found = refine(probabilities, images, SETTINGS)
    same = module.agreement(found, found)
    assert (same["mean_difference"], same["largest_difference"], same["same_label"]) == (0, 0, 1)
    other = module.agreement(found, [found[0].roll(1, dims=0)])
    assert other["mean_difference"] > 0.01
    assert other["same_label"] == 0


def test_scenes_and_photographs_have_the_size_that_is_told(monkeypatch, tmp_path):
    monkeypatch.undo()
    (scene,) = module.scenes(1)
    assert scene.shape == (module.HEIGHT, module.WIDTH, 3)
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (photo,) = module.photographs(tmp_path, 3)
    assert photo.shape == scene.shape


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--crf", "search"], "invalid choice"),
        (["--images", "0"], "must be 1 or more"),
        (["--photographs", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_words_end_before_anything_is_measured(words, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["crf.py", *words])
    with pytest.raises(SystemExit) as ended:
        module.arguments()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
