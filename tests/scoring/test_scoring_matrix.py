"""A confusion matrix that grows batch by batch, against torchmetrics and by definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repro.scoring.matrix import ConfusionMatrix

CLASSES = 5


def labels(seed: int, images: int = 6, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    """(prediction, truth), each (N, 8, 9) uint8, some of the truth void."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (images, 8, 9))
    prediction = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, classes, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = 255
    return prediction.astype(np.uint8), truth.astype(np.uint8)


def test_mean_iou_is_torchmetrics_jaccard_index() -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    prediction, truth = labels(0)
    theirs = torchmetrics.JaccardIndex(task="multiclass", num_classes=CLASSES, ignore_index=255)
    theirs.update(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long())
    assert ConfusionMatrix(CLASSES).update(prediction, truth).compute().miou == pytest.approx(float(theirs.compute()))


def test_accuracies_are_torchmetrics() -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    prediction, truth = labels(1)
    scores = ConfusionMatrix(CLASSES).update(prediction, truth).compute()
    for average, ours in (("micro", scores.pixel_accuracy), ("macro", scores.mean_accuracy)):
        metric = classification.MulticlassAccuracy(CLASSES, average=average, ignore_index=255)
        assert ours == pytest.approx(float(metric(torch.from_numpy(prediction), torch.from_numpy(truth).long())))
    weighted = classification.MulticlassJaccardIndex(CLASSES, average="weighted", ignore_index=255)
    assert scores.frequency_weighted_iou == pytest.approx(
        float(weighted(torch.from_numpy(prediction), torch.from_numpy(truth).long()))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 6), max_size=4), st.integers(1, 3))
def test_any_split_into_batches_and_processes_gives_the_same_counts(seed: int, cuts: list[int], workers: int) -> None:
    prediction, truth = labels(seed)
    whole = ConfusionMatrix(CLASSES).update(prediction, truth)
    parts = [ConfusionMatrix(CLASSES) for _ in range(workers)]
    edges = [0, *sorted(cuts), len(truth)]
    for k, (start, end) in enumerate(itertools.pairwise(edges)):
        parts[k % workers].update(prediction[start:end], truth[start:end])
    sent = [ConfusionMatrix.from_state(part.state()) for part in parts]
    assert np.array_equal(sent[0].merge(*sent[1:]).counts, whole.counts)


def test_scores_of_classes_are_taken_at_their_largest_in_any_floating_point_type() -> None:
    prediction, truth = labels(3)
    logits = torch.nn.functional.one_hot(torch.from_numpy(prediction).long(), CLASSES).permute(0, 3, 1, 2)
    whole = ConfusionMatrix(CLASSES).update(prediction, truth).counts
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        given_logits = ConfusionMatrix(CLASSES).update(logits.to(dtype), torch.from_numpy(truth))
        assert np.array_equal(given_logits.counts, whole)
    single = ConfusionMatrix(CLASSES).update(logits[0].numpy().astype(np.float64), truth[0])
    assert np.array_equal(single.counts, ConfusionMatrix(CLASSES).update(prediction[0], truth[0]).counts)


def test_a_class_only_predicted_counts_0_and_one_that_is_nowhere_is_left_out() -> None:
    scores = ConfusionMatrix(4).update([[0, 0], [0, 2]], [[0, 0], [0, 0]]).compute()
    assert scores.miou == pytest.approx((3 / 4 + 0) / 2)
    assert np.isnan(scores.class_iou[[1, 3]]).all()


def test_nothing_counted_gives_no_number() -> None:
    scores = ConfusionMatrix(2).compute()
    assert np.isnan([scores.miou, scores.pixel_accuracy, scores.mean_accuracy, scores.frequency_weighted_iou]).all()


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        ([[0, 1]], [[0], [1]], "shape"),
        ([[0, 2]], [[0, 1]], "prediction: label 2"),
        ([[0, 1]], [[0, 7]], "ground truth: label 7"),
        ([[0, -1]], [[0, 1]], "prediction: label -1"),
        ([[0.5, 1.0]], [[0, 1]], "floating-point scores"),
        ([[0, 1]], [[0.0, 1.5]], "ground truth: labels must be integers"),
    ],
)
def test_wrong_input_is_refused_and_counts_nothing(prediction: list, truth: list, message: str) -> None:
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match=message):
        matrix.update(prediction, truth)
    assert matrix.counts.sum() == 0


def test_matrices_of_other_classes_do_not_merge() -> None:
    with pytest.raises(ValueError, match="3 classes"):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))
    with pytest.raises(ValueError, match="void: 1"):
        ConfusionMatrix(2, void=1)
    with pytest.raises(ValueError, match="state"):
        ConfusionMatrix.from_state({"classes": 2, "void": 255, "counts": [[1]]})
