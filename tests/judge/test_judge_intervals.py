"""Bootstrap and variance parts against brute force, linearisation and textbook formulas."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats

from repro.judge.intervals import (
    REPLICATES,
    bootstrap,
    bootstrap_miou,
    dof_of_quantile,
    estimate,
    exact,
    falling_root,
    image_variance,
    mixed_quantile,
    quantile,
    replicate_miou,
    resample_images,
    upper_tail,
    widened,
)
from repro.metrics import class_sums, function_of, miou, pixel_accuracy
from repro.randomness import generator
from repro.spec.metric import METRICS


def confusions(images: int, classes: int, seed: int) -> np.ndarray:
    """Per-image matrices (N, C, C) in which each image shows the background and two other classes, mostly right."""
    rng = np.random.default_rng(seed)
    matrices = np.zeros((images, classes, classes), dtype=np.int64)
    for matrix in matrices:
        for c in [0, *rng.choice(np.arange(1, classes), size=2, replace=False)]:
            right = rng.beta(6, 2)
            pixels = rng.integers(50, 500)
            matrix[c, c] += int(pixels * right)
            matrix[c, rng.integers(classes)] += int(pixels * (1 - right))
    return matrices


def test_replicates_equal_repeating_the_drawn_images() -> None:
    matrices = confusions(12, 5, seed=0)
    weights = resample_images(12, 40, generator(3, "images"))
    by_hand = [float(miou(np.repeat(matrices, w.astype(int), axis=0).sum(axis=0))) for w in weights]
    np.testing.assert_allclose(replicate_miou(*class_sums(matrices), weights), by_hand, atol=1e-14)


def test_weights_are_multinomial() -> None:
    weights = resample_images(30, 4000, generator(0, "images"))
    assert (weights.sum(axis=1) == 30).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.07)
    np.testing.assert_allclose(weights.var(axis=0), 29 / 30, atol=0.12)
    assert np.cov(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-1 / 30, abs=0.05)


def test_bootstrap_error_equals_the_linearised_one() -> None:
    """Independent oracle: the delta method, influence of image i = mean over classes of (tp_i - iou u_i) / u."""
    matrices = confusions(400, 6, seed=1)
    tp, union = class_sums(matrices)
    iou = tp.sum(0) / union.sum(0)
    influence = ((tp - iou * union) / union.sum(0)).mean(axis=1)
    linear = math.sqrt((influence**2).sum())
    weights = resample_images(400, REPLICATES, generator(0, "images"))
    assert replicate_miou(tp, union, weights).std(ddof=1) == pytest.approx(linear, rel=0.06)


def test_widening_is_the_hc2_correction_of_the_linearised_error() -> None:
    matrices = confusions(60, 6, seed=1)
    tp, union = class_sums(matrices)
    share = union / union.sum(0)
    influence = ((tp - tp.sum(0) / union.sum(0) * union) / np.sqrt(1 - share) / union.sum(0)).mean(axis=1)
    weights = resample_images(60, 20000, generator(0, "images"))
    assert bootstrap_miou(matrices, weights).std(ddof=1) == pytest.approx(math.sqrt((influence**2).sum()), rel=0.06)
    assert bootstrap_miou(matrices, weights).std() > replicate_miou(tp, union, weights).std()


def test_a_class_in_one_image_only_and_an_absent_class_stay_finite() -> None:
    matrices = confusions(10, 5, seed=0)
    matrices = np.pad(matrices, ((0, 0), (0, 2), (0, 2)))
    matrices[3, 5, 5] = 40
    tp, union = class_sums(matrices)
    assert np.isfinite(widened(tp, union)).all()
    np.testing.assert_allclose(widened(tp, union)[:, 5:], tp[:, 5:])
    assert np.isfinite(bootstrap_miou(matrices, resample_images(10, 50, generator(0, "images")))).all()


def test_full_validation_set_in_under_three_seconds() -> None:
    matrices = np.random.default_rng(0).integers(0, 3000, size=(1449, 21, 21)).astype(np.int32)
    started = time.process_time()  # CPU time of all threads: one core's worth
    bootstrap_miou(matrices, resample_images(1449, 2000, generator(0, "images")))
    assert time.process_time() - started < 3.0


def test_seeds_only_is_the_t_interval() -> None:
    scores = np.array([0.61, 0.64, 0.60, 0.66, 0.63])
    ours = estimate(scores)
    low, high = stats.t.interval(0.95, 4, scores.mean(), stats.sem(scores))
    assert (ours.low, ours.high, ours.dof) == pytest.approx((low, high, 4))
    assert ours.covers == "seeds only"


def test_one_seed_covers_images_only_and_no_matrices_cover_nothing() -> None:
    replicates = np.random.default_rng(0).normal(0.6, 0.02, size=(1, 2000))
    ours = estimate(np.array([0.6]), replicates, images=100)
    assert ours.covers == "images only"
    assert ours.standard_error == pytest.approx(0.02, rel=0.05)
    assert math.isnan(ours.seed_error)
    bare = estimate(np.array([0.6]))
    assert bare.covers == "nothing"
    assert math.isnan(bare.low)


def test_image_part_is_what_seeds_share() -> None:
    """Crossed random effects of known size: shared image noise 0.03, seed x image noise 0.05."""
    rng = np.random.default_rng(5)
    replicates = rng.normal(0, 0.03, size=(1, 60000)) + rng.normal(0, 0.05, size=(6, 60000))
    assert image_variance(replicates) == pytest.approx(0.03**2, rel=0.05)
    assert replicates.mean(axis=0).var() == pytest.approx(0.03**2 + 0.05**2 / 6, rel=0.05)
    assert image_variance(-np.eye(2) @ rng.normal(size=(2, 50)) * [[1], [-1]]) >= 0


def test_two_parts_add_and_degrees_of_freedom_lie_between_theirs() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(0.6, 0.01, size=4)
    replicates = rng.normal(0, 0.01, size=2000) + scores[:, None]
    both = estimate(scores, replicates, images=100)
    assert both.standard_error**2 == pytest.approx(both.seed_error**2 + both.image_error**2)
    assert 3 < both.dof < 99
    assert both.covers == "images and seeds"


def test_quantile_of_one_part_is_students() -> None:
    assert mixed_quantile(0.025, 1.0, 4, 99) == pytest.approx(stats.t.ppf(0.975, 4))
    assert mixed_quantile(0.025, 0.0, 4, math.inf) == pytest.approx(stats.norm.ppf(0.975))
    both = mixed_quantile(0.025, 0.5, 4, 99)
    assert stats.t.ppf(0.975, 99) < both < stats.t.ppf(0.975, 4)
    assert stats.t.ppf(0.975, dof_of_quantile(0.975, both)) == pytest.approx(both)


@pytest.mark.parametrize("tail", [0.3, 0.025, 1e-4])
def test_tail_inverts_the_quantile(tail: float) -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(0.6, 0.01, size=3)
    both = estimate(scores, rng.normal(0, 0.01, size=500) + scores[:, None], images=60)
    for effect in (both, estimate(scores), estimate(scores[:1], np.ones((1, 9)) * np.arange(9.0), images=60)):
        assert upper_tail(quantile(tail, effect), effect) == pytest.approx(tail, rel=1e-6)
        assert upper_tail(-quantile(tail, effect), effect) == pytest.approx(1 - tail, rel=1e-6)


def test_falling_root_of_the_cosine() -> None:
    assert falling_root(lambda x: math.cos(x), 0.0, 3.0) == pytest.approx(math.pi / 2, abs=1e-11)


@pytest.mark.parametrize("seeds", [3, 4, 5, 10])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6, 0.9, 1.0])
def test_two_part_quantile_covers_as_promised(seeds: int, share: float) -> None:
    """Normal noise, so that only the rule is tested: 40,000 experiments have a simulation error of 0.11 points."""
    rng = np.random.default_rng([seeds, int(100 * share)])
    experiments = 40000
    seed_part = share * rng.chisquare(seeds - 1, experiments) / (seeds - 1)
    image_part = (1 - share) * rng.chisquare(99, experiments) / 99
    total = seed_part + image_part
    error = np.abs(rng.normal(size=experiments)) / np.sqrt(total)
    table = np.linspace(0, 1, 201)
    quantiles = np.interp(seed_part / total, table, [mixed_quantile(0.025, s, seeds - 1, 99) for s in table])
    assert 0.945 <= (error <= quantiles).mean() <= 0.97  # the module's docstring: 94.8 to 96.8 %


def test_exact_has_no_width() -> None:
    assert exact(81.02).low == exact(81.02).high == 81.02


def test_any_metrics_replicates_have_the_spread_of_its_values_over_sets_of_images() -> None:
    """40 images with 12 classes, each image with its own accuracy: the spread over 2,000 such sets is known."""
    rng = np.random.default_rng(3)

    def images(count: int) -> np.ndarray:
        pixels = rng.multinomial(900, np.full(12, 1 / 12), size=count)  # (count, C)
        right = rng.binomial(pixels, rng.beta(6, 2, size=(count, 1)))
        wrong = np.roll(np.eye(12, dtype=int), 1, axis=1) * (pixels - right)[..., None]
        return np.eye(12, dtype=int) * right[..., None] + wrong

    sets = np.add.reduce(images(40 * 2000).reshape(2000, 40, 12, 12), axis=1)
    weights = resample_images(40, 500, rng)
    for name in ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "miou"):
        truth = np.std(function_of(METRICS[name])(sets))
        found = np.mean([np.std(bootstrap(METRICS[name], images(40), weights)) for _ in range(30)])
        assert found == pytest.approx(truth, rel=0.06), name


def test_where_all_images_are_alike_nothing_spreads() -> None:
    matrices = np.repeat(np.random.default_rng(0).integers(0, 20, size=(1, 4, 4)), 7, axis=0)
    found = bootstrap(METRICS["pixel_accuracy"], matrices, resample_images(7, 30, np.random.default_rng(1)))
    assert found == pytest.approx([float(pixel_accuracy(matrices[0]))] * 30)


def test_bootstrap_of_a_set_of_vocs_size_takes_less_than_three_seconds() -> None:
    """2,000 replicates of 1,449 images and 21 classes; CPU time, so that a busy machine does not matter."""
    import time

    matrices = np.random.default_rng(0).integers(0, 2000, size=(1449, 21, 21)).astype(np.int32)
    start = time.process_time()
    replicates = bootstrap_miou(matrices, resample_images(1449, 2000, np.random.default_rng(1)))
    assert time.process_time() - start < 3.0
    assert replicates.shape == (2000,)
