"""The mean-IOU rule against its definition, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.miou import class_iou, miou

VOID = 255


def by_definition(truth: np.ndarray, prediction: np.ndarray, classes: int) -> float:
    """Mean IOU by sets of pixels, with Python integers; void pixels are dropped first."""
    pairs = [(int(t), int(p)) for t, p in zip(truth.ravel(), prediction.ravel(), strict=True) if t != VOID]
    scores = []
    for c in range(classes):
        true = {k for k, (t, _) in enumerate(pairs) if t == c}
        predicted = {k for k, (_, p) in enumerate(pairs) if p == c}
        if true | predicted:
            scores.append(len(true & predicted) / len(true | predicted))
    return sum(scores) / len(scores)


def count(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for t, p in zip(truth.ravel(), prediction.ravel(), strict=True):
        if t != VOID:
            matrix[t, p] += 1
    return matrix


@pytest.mark.parametrize("seed", range(20))
def test_equals_definition_with_void_and_absent_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = rng.permutation(7)[: rng.integers(1, 7)]
    truth = rng.choice([*present, VOID], size=(6, 5))
    truth[0, 0] = present[0]
    prediction = rng.choice(rng.permutation(7)[: rng.integers(1, 7)], size=(6, 5))
    assert miou(count(truth, prediction, 7)) == pytest.approx(by_definition(truth, prediction, 7), abs=1e-15)


def test_class_only_predicted_counts_as_zero_but_absent_class_is_left_out() -> None:
    matrix = np.array([[6, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert class_iou(matrix)[:2].tolist() == [0.75, 0.0]
    assert np.isnan(class_iou(matrix)[2])
    assert miou(matrix) == 0.375


def test_leading_axes_are_independent_matrices() -> None:
    matrices = np.random.default_rng(0).integers(0, 9, size=(2, 3, 4, 4))
    matrices[0, 1, 2, :] = matrices[0, 1, :, 2] = 0
    expected = [[float(miou(matrices[i, j])) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(miou(matrices), expected, rtol=0, atol=1e-15)


def test_counts_beyond_int32_are_exact() -> None:
    pixels = 3 * 2**40  # Cityscapes has 2.4e9 pixels in val; int32 sums would wrap
    matrix = np.array([[pixels, pixels], [0, pixels]], dtype=np.int64)
    assert miou(matrix) == 0.5
    many = np.full((3, 2, 2), 2**30, dtype=np.int32)
    assert miou(many.sum(axis=0, dtype=np.int64)) == pytest.approx(1 / 3)
    assert miou(many)[0] == pytest.approx(1 / 3)


def test_nothing_counted_is_nan_not_zero() -> None:
    assert np.isnan(miou(np.zeros((3, 3), dtype=np.int64)))


def test_permuting_classes_or_scaling_counts_changes_nothing() -> None:
    matrix = np.random.default_rng(1).integers(0, 50, size=(6, 6))
    order = np.random.default_rng(2).permutation(6)
    assert miou(matrix[np.ix_(order, order)]) == pytest.approx(float(miou(matrix)), abs=1e-15)
    assert miou(7 * matrix) == pytest.approx(float(miou(matrix)), abs=1e-15)
