"""Metrics against their definitions, pixel by pixel; what is asked of one's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from repro.errors import InputError
from repro.metrics import class_iou, function_of, measured_value, measured_values, miou, register_metric
from repro.spec.metric import MEASURED, METRICS, MIOU, find_metric

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


def test_accuracies_and_weighted_iou_equal_their_definitions() -> None:
    rng = np.random.default_rng(3)
    truth, prediction = rng.choice([0, 1, 2, VOID], size=(2, 9, 8))[0], rng.integers(0, 4, size=(9, 8))
    found = measured_values(count(truth, prediction, 5)[None])
    pairs = [(t, p) for t, p in zip(truth.ravel(), prediction.ravel(), strict=True) if t != VOID]
    own = {c: [p == t for t, p in pairs if t == c] for c in range(3)}
    iou = class_iou(count(truth, prediction, 5))
    assert found == {
        "miou": pytest.approx(by_definition(truth, prediction, 5)),
        "pixel_accuracy": pytest.approx(np.mean([t == p for t, p in pairs])),
        "mean_accuracy": pytest.approx(np.mean([np.mean(right) for right in own.values()])),
        "frequency_weighted_iou": pytest.approx(sum(len(own[c]) / len(pairs) * iou[c] for c in range(3))),
    }


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.name)
def test_batches_give_each_matrix_its_own_value(metric) -> None:
    matrices = np.random.default_rng(0).integers(0, 9, size=(2, 3, 9, 9))
    matrices[0, 1, 2, :] = matrices[0, 1, :, 2] = 0
    matrices[1, 2] = 0
    function = function_of(metric)
    expected = [[float(function(matrices[i, j])) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(function(matrices), expected, rtol=0, atol=1e-15)
    assert np.isnan(expected[1][2])


def test_the_mean_of_one_matrix_adds_the_classes_that_are_there_alone() -> None:
    """Scores in records have these bits; zeros for absent classes would part the sum otherwise."""
    for seed in range(50):
        matrix = np.random.default_rng(seed).integers(0, 99, size=(21, 21))
        absent = np.random.default_rng(seed).permutation(21)[:5]
        matrix[absent] = matrix[:, absent] = 0
        present = [k for k in range(21) if k not in absent]
        assert float(miou(matrix)) == float(class_iou(matrix[np.ix_(present, present)]).mean())


def test_mean_over_images() -> None:
    matrices = np.array([[[8, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]])
    assert measured_value(MIOU, matrices, "image") == pytest.approx((1 + 1 / 3) / 2)
    assert np.isnan(measured_value(MIOU, matrices[1:2], "image"))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of metrics; returns the name of its function f."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(decorator: str, body: str) -> str:
        names.append(f"metrics_{tmp_path.name[-4:]}_{len(names)}".replace("-", "_"))
        text = (
            f"import numpy as np\nfrom repro.metrics import register_metric\n{decorator}\ndef f(counts):\n    {body}\n"
        )
        (tmp_path / f"{names[-1]}.py").write_text(text)
        return f"{names[-1]}:f"

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_metric_of_ones_own_is_read_from_its_source_and_run_when_it_is_needed(module) -> None:
    name = module(
        '@register_metric(title="Errors", unit="px", better="lower")', "return counts.sum(axis=(-2, -1)) * 1.0"
    )
    metric = find_metric(name)
    assert name.partition(":")[0] not in sys.modules
    assert (metric.title, metric.unit, metric.better, metric.kind) == ("Errors", "px", "lower", "measured")
    assert (metric.is_share, metric.factor, metric.difference_unit) == (False, 1.0, "px")
    assert measured_value(metric, np.ones((2, 3, 3), np.int32)) == 18.0
    plain = find_metric(module("@register_metric()", "return miou(counts)"))
    assert (plain.title, plain.unit, plain.is_share) == ("F", "%", True)


@pytest.mark.parametrize(
    ("decorator", "body", "words"),
    [
        ("", "pass", "has no function f decorated with @register_metric"),
        ('@register_metric(better="most")', "pass", '"most" is neither "higher" nor "lower"'),
        ('@register_metric(unit="a" + str(1))', "pass", "unit: write its value itself"),
        ('@register_metric(colour="red")', "pass", "colour: it takes title, unit and better"),
        ('@register_metric("Dice")', "pass", "argument 1: it takes title, unit and better, by name"),
        ("@register_metric(title=3)", "pass", "title: 3 is no text"),
        ("@register_metric()", "return 1 / 0", "failed: ZeroDivisionError"),
        ("@register_metric()", "return counts.sum() * 1.0", "gives shape () for counts (3, 4, 4)"),
        ("@register_metric()", "return counts.sum(axis=(-2, -1)) * 0.0 + 1.5", "gives 1.5; with unit"),
        ("@register_metric(", "pass", "cannot be read as Python"),
    ],
)
def test_what_is_wrong_with_a_metric_is_said(module, decorator, body, words) -> None:
    name = module(decorator, body)
    with pytest.raises(InputError) as error:
        measured_value(find_metric(name), np.ones((1, 2, 2), np.int64))
    assert words in str(error.value), error.value


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pixel_acuracy", "Did you mean 'pixel_accuracy'"),
        ("nowhere:f", "there is no module nowhere"),
        ("a b:f", 'is not "module:function"'),
        ("json:loads", "has no function loads decorated"),
    ],
)
def test_unknown_metrics_are_refused(name, words) -> None:
    with pytest.raises(InputError, match=words.replace("?", r"\?")):
        find_metric(name)


def test_each_declared_metric_has_a_function_and_each_direction_is_one_of_two() -> None:
    assert all(callable(function_of(metric)) for metric in MEASURED)
    assert {metric.better for metric in METRICS.values()} == {"higher", "lower"}
    with pytest.raises(ValueError, match="neither"):
        register_metric(better="most")
