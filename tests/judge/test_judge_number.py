"""Is a number different from a published one? By hand, against scipy's tests, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from repro.judge.number import judge_number, sentence
from repro.judge.published import SEED_DEVIATION, SEED_DOF


def test_one_run_against_the_published_runs_of_v3_table_11() -> None:
    """The deviation is that of 77.21, 77.15, 76.79, 77.02, 77.18, 76.69."""
    assert np.std([77.21, 77.15, 76.79, 77.02, 77.18, 76.69], ddof=1) == pytest.approx(SEED_DEVIATION, abs=0.005)
    verdict = judge_number([74.94], 78.85)
    assert verdict.margin == pytest.approx(stats.t.ppf(0.975, 5) * 0.22 * math.sqrt(2))
    assert verdict.different
    assert verdict.probability == pytest.approx(2 * stats.t.sf(3.91 / (0.22 * math.sqrt(2)), 5))
    assert "3.91 points below the published 78.85: more than" in sentence(verdict)
    close = judge_number([78.5], 78.85)
    assert not close.different
    assert "No difference is shown" in sentence(close)


def test_own_runs_are_pooled_with_the_published_ones() -> None:
    runs = [74.9, 75.2, 74.6]
    verdict = judge_number(runs, 75.5)
    pooled = math.sqrt((2 * np.var(runs, ddof=1) + SEED_DOF * SEED_DEVIATION**2) / (2 + SEED_DOF))
    assert (verdict.deviation, verdict.dof) == (pytest.approx(pooled), 7)
    assert verdict.margin == pytest.approx(stats.t.ppf(0.975, 7) * pooled * math.sqrt(4 / 3))


def test_a_known_deviation_is_taken_as_it_is() -> None:
    verdict = judge_number([75.0], 76.0, known=0.5)
    assert verdict.probability == pytest.approx(2 * stats.norm.sf(1 / (0.5 * math.sqrt(2))))
    assert verdict.margin == pytest.approx(stats.norm.ppf(0.975) * 0.5 * math.sqrt(2))


@pytest.mark.parametrize("runs", [1, 3, 5])
def test_runs_of_one_recipe_are_called_different_in_5_percent(runs: int) -> None:
    """The deviation is estimated anew in each experiment from six runs, as the published one was."""
    rng = np.random.default_rng(runs)
    trials = 4000
    called = 0
    for _ in range(trials):
        repeated = float(np.std(rng.normal(77, 0.3, 6), ddof=1))
        called += judge_number(rng.normal(78, 0.3, runs), rng.normal(78, 0.3), seed_deviation=repeated).different
    assert abs(called / trials - 0.05) < 3 * math.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("known", [None, 0.3])
def test_probability_and_interval_agree_and_images_widen_both(known: float | None) -> None:
    for image_error in (0.0, 0.2, 4.0):
        for gap in (0.1, 0.5, 0.8, 2.0, 9.0):
            verdict = judge_number([70 - gap], 70, known=known, image_error=image_error)
            assert verdict.different == (verdict.probability < 0.05), (gap, image_error)
    assert judge_number([69], 70, image_error=0.7).margin > judge_number([69], 70).margin
    assert "on other images" in sentence(judge_number([69], 70, image_error=0.7))


def test_other_images_are_called_different_in_5_percent() -> None:
    rng = np.random.default_rng(9)
    trials, called = 1500, 0
    for _ in range(trials):
        repeated = float(np.std(rng.normal(77, 0.3, 6), ddof=1))
        mine, theirs = rng.normal(78, math.hypot(0.3, 0.5)), rng.normal(78, 0.3)
        called += judge_number([mine], theirs, seed_deviation=repeated, image_error=0.5).different
    assert abs(called / trials - 0.05) < 3 * math.sqrt(0.05 * 0.95 / trials) + 0.01


def test_a_difference_of_two_shares_is_no_larger_than_100_points() -> None:
    verdict = judge_number([17.0], 22.0, known=80.0)
    assert (verdict.low, verdict.high) == (-100.0, 100.0)
    assert verdict.margin > 100
    assert not verdict.different


def test_what_is_no_number_is_refused() -> None:
    for runs, published, known in (([], 70, None), ([math.nan], 70, None), ([70], math.inf, None), ([70], 70, 0.0)):
        with pytest.raises(ValueError, match=r"finite|positive"):
            judge_number(runs, published, known)
