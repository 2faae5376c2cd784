"""Confusion matrices and mean IOU against torchmetrics, brute force and hand-made cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassConfusionMatrix

from repro.evaluate.confusion import added_up, confusion, predicted
from repro.metrics import class_iou, measured_value, miou
from repro.spec.metric import MIOU


def _maps(seed, images=4, classes=5):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, classes, (images, 11, 13), generator=generator)
    truth[torch.rand(truth.shape, generator=generator) < 0.2] = 255
    return truth, torch.randint(0, classes, truth.shape, generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_counts_equal_torchmetrics(seed):
    truth, prediction = _maps(seed)
    expected = MulticlassConfusionMatrix(num_classes=5, ignore_index=255)(prediction, truth)
    assert torch.equal(confusion(truth, prediction, 5).sum(0), expected)


def test_each_image_has_its_own_matrix():
    truth, prediction = _maps(0)
    matrices = confusion(truth, prediction, 5)
    assert matrices.dtype == torch.int64
    for i in range(4):
        for t in range(5):
            for p in range(5):
                assert matrices[i, t, p] == ((truth[i] == t) & (prediction[i] == p)).sum()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_any_split_into_batches_gives_the_same_counts(seed, batch):
    truth, prediction = _maps(seed)
    whole = confusion(truth, prediction, 5)
    parts = [confusion(truth[i : i + batch], prediction[i : i + batch], 5) for i in range(0, 4, batch)]
    assert torch.equal(whole, torch.cat(parts))


def test_a_class_in_neither_truth_nor_prediction_is_left_out():
    matrix = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    assert np.isnan(class_iou(matrix)[2])
    assert miou(matrix) == pytest.approx((8 / 10 + 10 / 12) / 2)


def test_a_class_that_is_only_predicted_counts_as_zero():
    matrix = np.array([[8, 0, 2], [0, 10, 0], [0, 0, 0]])
    assert miou(matrix) == pytest.approx((0.8 + 1 + 0) / 3)


def test_void_in_the_truth_is_never_counted():
    truth = torch.full((1, 4, 4), 255)
    assert confusion(truth, torch.zeros(1, 4, 4, dtype=torch.long), 3).sum() == 0
    assert math.isnan(miou(np.zeros((3, 3), dtype=np.int64)))


def test_renaming_classes_does_not_change_the_mean():
    truth, prediction = _maps(5)
    matrix = confusion(truth, prediction, 5).sum(0).numpy()
    order = np.array([3, 1, 4, 0, 2])
    assert miou(matrix[order][:, order]) == pytest.approx(miou(matrix))


def test_the_mean_over_images_is_the_mean_of_each_images_own():
    truth, prediction = _maps(1)
    truth[2] = 255
    matrices = confusion(truth, prediction, 5).numpy()
    expected = np.mean([miou(matrices[i]) for i in (0, 1, 3)])
    assert measured_value(MIOU, matrices, "image") == pytest.approx(expected)
    assert measured_value(MIOU, matrices, "image") != pytest.approx(miou(matrices.sum(0)))
    assert math.isnan(measured_value(MIOU, matrices[2:3], "image"))


def test_a_label_outside_the_classes_is_refused():
    truth = torch.full((2, 3, 3), 255)
    truth[1, 0, 0] = 7
    with pytest.raises(ValueError, match="neither one of 5 classes"):
        confusion(truth, torch.zeros(2, 3, 3, dtype=torch.long), 5)


@pytest.mark.parametrize("wrong", [-1, 5, 255])
def test_a_prediction_outside_the_classes_is_refused(wrong):
    prediction = torch.zeros(2, 3, 3, dtype=torch.long)
    prediction[1, 2, 2] = wrong
    for truth in (torch.zeros(2, 3, 3, dtype=torch.long), torch.full((2, 3, 3), 255)):
        with pytest.raises(ValueError, match=rf"a prediction is {wrong}; the 5 classes are 0 to 4"):
            confusion(truth, prediction, 5)


@pytest.mark.parametrize("classes", [2, 9, 21])
def test_the_prediction_is_the_first_of_the_largest(classes):
    generator = torch.Generator().manual_seed(classes)
    scores = torch.randint(0, 4, (3, classes, 17, 19), generator=generator).float()
    assert torch.equal(predicted(scores, dim=1), scores.argmax(dim=1))
    brute = [max(range(classes), key=lambda c: (column[c], -c)) for column in scores[0].flatten(1).T.tolist()]
    assert predicted(scores[0], dim=0).flatten().tolist() == brute


def test_what_counts_on_a_gpu_is_bincount():
    values = torch.randint(0, 50, (4000,), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    assert torch.equal(added_up(values, minlength=60), torch.bincount(values, minlength=60))
