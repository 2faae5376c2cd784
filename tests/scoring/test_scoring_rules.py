"""Every rule of counting, from files, against the libraries that use it or a count of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scoring_files import write_set

from repro.data.label_form import LabelForm
from repro.scoring.pairs import label_files, pair_up
from repro.scoring.result import Score, score_pairs
from repro.scoring.rules import rule_scores
from repro.scoring.tally import BATCH, Reading, tally

CLASSES = 4


def labels(images: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction), (N, 10, 12) uint8: void, an image of void alone, a class nowhere, one only predicted."""
    rng = np.random.default_rng(5)
    truth = rng.choice([0, 0, 0, 1, 2], (images, 10, 12))
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 3, truth.shape))
    truth[rng.random(truth.shape) < 0.15] = 255
    truth[truth == 2] = 0
    truth[3] = 255
    return truth.astype(np.uint8), prediction.astype(np.uint8)


def read(folder: Path, truth: np.ndarray, prediction: np.ndarray, classes: int = CLASSES) -> tuple[list, Reading]:
    files = write_set(folder, truth, prediction)
    sides = [label_files(place, "", role) for place, role in zip(files, ("predictions", "ground truth"), strict=True)]
    pairs = pair_up(sides[0], {k: (v, None) for k, v in sides[1].items()}, partial=False, places=("p", "t"))
    form = LabelForm(classes)
    return list(pairs), Reading(classes, form, form)


def by_hand(truth: np.ndarray, prediction: np.ndarray) -> list[tuple[int, int]]:
    """(intersection, union) of each class without void."""
    seen = truth != 255
    out = []
    for k in range(CLASSES):
        right, answer = (truth == k) & seen, (prediction == k) & seen
        out.append((int((right & answer).sum()), int((right | answer).sum())))
    return out


def mean(parts: list[tuple[int, int]], absent: float | None = None) -> float:
    values = [both / union if union else absent for both, union in parts]
    kept = [value for value in values if value is not None]
    return float(np.mean(kept)) if kept else float("nan")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    truth, prediction = labels()
    pairs, reading = read(tmp_path_factory.mktemp("rules"), truth, prediction)
    total = tally(pairs, reading, 1, lambda _: None)
    return truth, prediction, {rule.name: rule.value for rule in rule_scores(total)}


def test_rules_by_definition(case: tuple[np.ndarray, np.ndarray, dict[str, float]]) -> None:
    truth, prediction, ours = case
    whole = by_hand(truth, prediction)
    each = [by_hand(t, p) for t, p in zip(truth, prediction, strict=True)]
    background = np.where(truth == 255, 0, truth)
    assert ours["the papers' rule"] == pytest.approx(mean(whole))
    assert ours["absent classes count 1"] == pytest.approx(mean(whole, 1.0))
    assert ours["absent classes count 0"] == pytest.approx(mean(whole, 0.0))
    assert np.isnan(ours["absent classes are NaN in the mean"])
    in_truth = [part for k, part in enumerate(whole) if (truth == k).any()]
    assert ours["classes without ground truth dropped"] == pytest.approx(mean(in_truth))
    assert ours["void is background"] == pytest.approx(mean(by_hand(background, prediction)))
    assert ours["mean over images"] == pytest.approx(np.nanmean([mean(parts) for parts in each]))
    batches = [by_hand(truth[k : k + BATCH], prediction[k : k + BATCH]) for k in range(0, len(truth), BATCH)]
    assert ours[f"mean over batches of {BATCH}"] == pytest.approx(np.mean([mean(parts) for parts in batches]))
    pairs = [both / union for parts in each for both, union in parts if union]
    assert ours["mean over pairs of image and class"] == pytest.approx(np.mean(pairs))
    half = truth[:, 1::2, 1::2], prediction[:, 1::2, 1::2]
    assert ours["labels at half size"] == pytest.approx(mean(by_hand(*half)))


def test_rules_of_segmentation_models_pytorch(case: tuple[np.ndarray, np.ndarray, dict[str, float]]) -> None:
    metrics = pytest.importorskip("segmentation_models_pytorch").metrics
    truth, prediction, ours = case
    counts = metrics.get_stats(
        torch.from_numpy(prediction).long(), torch.from_numpy(truth).long(), mode="multiclass", num_classes=CLASSES,
        ignore_index=255,
    )  # fmt: skip
    theirs = {
        "absent classes count 1": "macro",
        "mean over images, absent classes 1": "macro-imagewise",
        "all classes' pixels in one fraction": "micro",
        "the same, a mean over images": "micro-imagewise",
    }
    for name, reduction in theirs.items():
        assert ours[name] == pytest.approx(float(metrics.iou_score(*counts, reduction=reduction))), name


def test_torchmetrics_mean_iou(case: tuple[np.ndarray, np.ndarray, dict[str, float]]) -> None:
    segmentation = pytest.importorskip("torchmetrics.segmentation")
    truth, prediction, ours = case
    metric = segmentation.MeanIoU(num_classes=CLASSES, input_format="index")
    background = np.where(truth == 255, 0, truth)
    metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(background).long())
    assert ours["the same, void is background"] == pytest.approx(float(metric.compute()))


@pytest.mark.parametrize("with_void", [True, False])
def test_trimap_is_that_of_evaluations(tmp_path: Path, with_void: bool) -> None:
    from repro.evaluate.confusion import confusion
    from repro.evaluate.region import distances
    from repro.metrics import miou

    truth, prediction = labels(5)
    if not with_void:
        truth[truth == 255] = 1
    score = scored(tmp_path, truth, prediction)
    whole, answer = torch.from_numpy(truth), torch.from_numpy(prediction)
    sizes = torch.tensor([[10, 12]] * len(truth))
    away = distances(whole, sizes, 40, void_marks_edges=with_void)
    for width, value in score.trimap[::7]:
        band = whole.masked_fill(away > width, 255)
        matrix = confusion(band, answer, CLASSES).sum(dim=0).numpy()
        assert value == pytest.approx(float(miou(matrix)), nan_ok=True), width
    assert score.trimap_around == ("void" if with_void else "class transitions")


def test_images_without_void_add_nothing_to_bands_around_void(tmp_path: Path) -> None:
    truth = np.zeros((2, 6, 6), np.uint8)
    truth[0, :, 3:], truth[1, 2, 2] = 1, 255
    score = scored(tmp_path, truth, np.zeros_like(truth))
    assert score.trimap_around == "void"
    assert score.trimap[0] == (1, 1.0)  # eight pixels around the one void pixel, all right


def test_no_answer_is_wrong_only_where_asked_for(tmp_path: Path) -> None:
    from dataclasses import replace

    from repro.errors import InputError

    truth, prediction = np.array([[[0, 0, 1, 1]]], np.uint8), np.array([[[0, 255, 1, 1]]], np.uint8)
    pairs, reading = read(tmp_path, truth, prediction, 2)
    with pytest.raises(InputError, match=r"row 0, column 1 .*--unanswered"):
        score_pairs(pairs, reading, ["a", "b"])
    score = score_pairs(pairs, replace(reading, unanswered=True), ["a", "b"])
    assert score.miou.value == pytest.approx((1 / 2 + 1) / 2)
    assert score.whole.pixel_accuracy == pytest.approx(3 / 4)


def test_the_number_of_processes_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import repro.scoring.tally as module

    truth, prediction = labels(34)
    pairs, reading = read(tmp_path, truth, prediction)
    alone = tally(pairs, reading, 1, lambda _: None)
    monkeypatch.setattr(module, "WORTH_PROCESSES", 1)
    done: list[int] = []
    together = tally(pairs, reading, 2, done.append)
    assert done == [16, 16, 2]
    for name in ("counts", "halved", "images", "batches", "bands"):
        assert np.array_equal(getattr(alone, name), getattr(together, name)), name


def scored(folder: Path, truth: np.ndarray, prediction: np.ndarray) -> Score:
    pairs, reading = read(folder, truth, prediction)
    return score_pairs(pairs, reading, [str(k) for k in range(CLASSES)])


def test_worst_and_best_images(tmp_path: Path) -> None:
    truth = np.zeros((10, 4, 4), np.uint8)
    prediction = truth.copy()
    for k in range(10):
        prediction[k].ravel()[:k] = 1
    score = scored(tmp_path, truth, prediction)
    assert [image.name for image in score.worst()] == ["009", "008", "007", "006"]
    assert [image.name for image in score.best()] == ["000", "001", "002", "003"]
