"""The test of pairs that differ: against textbook analysis of variance, the judge's own test, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.judge.heterogeneity import exactly, heterogeneity
from repro.judge.intervals import estimate
from repro.judge.significance import p_inside, p_outside, two_sided

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("comparisons", "seeds"), [(3, 4), (4, 5), (6, 3)])
def test_seeds_alone_are_the_repeated_measures_anova_of_greenhouse_and_geisser(comparisons: int, seeds: int) -> None:
    """Sums of squares and epsilon as textbooks write them, seeds being the subjects."""
    y = np.random.default_rng(comparisons).normal(size=(seeds, comparisons)) + 0.6 * np.arange(comparisons)
    grand, of_column, of_row = y.mean(), y.mean(axis=0), y.mean(axis=1)
    between = seeds * ((of_column - grand) ** 2).sum() / (comparisons - 1)
    rest = y - of_column - of_row[:, None] + grand
    f = between / ((rest**2).sum() / ((comparisons - 1) * (seeds - 1)))
    covariance = np.cov(y, rowvar=False)
    diagonal, total = np.diag(covariance).mean(), covariance.mean()
    rows = covariance.mean(axis=1)
    epsilon = (comparisons * (diagonal - total)) ** 2 / (
        (comparisons - 1) * ((covariance**2).sum() - 2 * comparisons * (rows**2).sum() + comparisons**2 * total**2)
    )
    first = epsilon * (comparisons - 1)
    assert heterogeneity(y.T).p == pytest.approx(stats.f.sf(f, first, first * (seeds - 1)), rel=1e-6)


def test_two_comparisons_are_tested_as_the_judge_tests_their_difference() -> None:
    scores, rows = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 1, 300)) + 0.3 * RNG.normal(size=(2, 5, 300))
    for replicates, images in ((None, None), (0.4 * rows, 120)):
        difference = estimate(
            scores[0] - scores[1], None if replicates is None else replicates[0] - replicates[1], images
        )
        own = two_sided(p_inside(difference, 0, np.inf), p_outside(difference, 0, np.inf))
        assert heterogeneity(scores, replicates, images).p == pytest.approx(own, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 5), st.floats(0.01, 100))
def test_neither_order_nor_unit_nor_a_common_shift_matters(seed: int, pairs: int, seeds: int, times: float) -> None:
    rng = np.random.default_rng(seed)
    scores, rows = rng.normal(size=(pairs, seeds)), rng.normal(size=(pairs, seeds, 40))
    own = heterogeneity(scores, rows, 30)
    order = rng.permutation(pairs)
    moved = heterogeneity(times * scores[order] + rng.normal(size=seeds), times * rows[order], 30)
    assert moved.p == pytest.approx(own.p, rel=1e-5)
    assert moved.spread == pytest.approx(times * own.spread, abs=1e-9 * times)


def test_the_spread_is_that_of_true_effects() -> None:
    """Twenty thousand sets of effects of standard deviation 2 with noise of 1: on average noise is taken off."""
    truth = np.array([-2.0, 0.0, 2.0])
    squares = [heterogeneity(truth[:, None] + RNG.normal(size=(3, 4))).spread ** 2 for _ in range(2000)]
    assert np.mean(squares) == pytest.approx(4.0, abs=0.15)


def test_what_has_no_noise_is_decided_exactly() -> None:
    assert exactly(np.array([1.0, 1.0, 1.5])).p == 0
    assert exactly(np.array([2.0, 2.0, 2.0])).p == 1
    assert exactly(np.array([1.0, 3.0])).spread == pytest.approx(np.sqrt(2))
    constant = np.repeat([[1.0], [1.0]], 3, axis=1)
    assert heterogeneity(constant).p == 1
    assert heterogeneity(constant + np.array([[0.0], [1.0]])).p == 0


def test_one_comparison_or_one_seed_is_no_question() -> None:
    for shape in ((1, 5), (3, 1)):
        with pytest.raises(ValueError, match="two of each are needed"):
            heterogeneity(np.zeros(shape))


def test_pairs_that_share_a_baseline_are_not_called_different_by_chance() -> None:
    """Three grids against one baseline at four blocks: a block's effects move together. The true case is found."""
    rng = np.random.default_rng(8)
    false = true = 0
    for _ in range(400):
        cells = rng.normal(size=(4, 4, 5))  # grid, block, seed; the first grid is the baseline of its block
        pairs = (cells[1:] - cells[:1]).reshape(12, 5)
        false += heterogeneity(pairs).p <= 0.05
        block4 = np.tile([4.4, 0.0, 0.0, 0.0], 3)[:, None]
        true += heterogeneity(pairs + block4).p <= 0.05
    assert false / 400 <= 0.05
    assert true / 400 >= 0.95
