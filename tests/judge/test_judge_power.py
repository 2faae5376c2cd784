"""Power against tabulated values, the rate at which scipy's test rejects, and its own inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from repro.judge.power import (
    DETECTABLE,
    PAIRED_DEVIATION,
    PAIRED_IMAGE_ERROR,
    detectable_difference,
    outlook,
    power,
)


@pytest.mark.parametrize(("seeds", "effect"), [(3, 3.2), (5, 1.7), (10, 1.0), (20, 0.66)])
def test_detectable_difference_in_standard_deviations(seeds: int, effect: float) -> None:
    """Two-sided paired t test, alpha 0.05, power 0.8, as tables of Cohen's d give it in two digits."""
    assert detectable_difference(1.0, seeds) == pytest.approx(effect, rel=0.03)


@pytest.mark.parametrize(("seeds", "difference"), [(3, 2.0), (5, 1.2), (8, 0.7)])
def test_power_equals_the_rate_of_scipys_test(seeds: int, difference: float) -> None:
    rng = np.random.default_rng(seeds)
    samples = rng.normal(difference, 1.0, size=(20000, seeds))
    test = stats.ttest_1samp(samples, 0.0, axis=1)
    rate = ((test.pvalue <= 0.05) & (test.statistic > 0)).mean()
    assert power(difference, 1.0, seeds) == pytest.approx(rate, abs=0.012)


def test_unit_cancels_and_power_grows() -> None:
    assert detectable_difference(0.02, 5) == pytest.approx(detectable_difference(2.0, 5) / 100)
    assert power(detectable_difference(1.3, 4), 1.3, 4) == pytest.approx(0.8)
    assert [detectable_difference(1, n) for n in (2, 3, 5, 10)] == sorted(
        (detectable_difference(1, n) for n in (2, 3, 5, 10)), reverse=True
    )


def test_images_limit_what_seeds_can_do() -> None:
    assert detectable_difference(0.0, 50, image_error=1.0) == pytest.approx(2.8, abs=0.1)  # (1.98 + 0.85) errors
    assert detectable_difference(1.0, 5, image_error=0.5) > detectable_difference(1.0, 5)


def test_one_seed_detects_nothing_and_no_noise_everything() -> None:
    assert math.isinf(detectable_difference(1.0, 1))
    assert detectable_difference(0.0, 3) == 0.0
    assert power(0.1, 0.0, 3) == 1.0


def test_outlook_names_what_more_seeds_would_bring() -> None:
    assert outlook("tiny", 1).startswith("With one seed no difference")
    assert "3 would detect 3.2 points and 5 would detect 1.8 points" in outlook("tiny", 1)
    assert "With 5 seeds you can detect a difference of 0.7 points; 10 would" in outlook("paper", 5)
    assert ";" not in outlook("tiny", 20)
    assert outlook("my own", 5) == outlook("tiny", 5)


def test_usual_numbers_of_seeds_are_those_of_the_function() -> None:
    for scale, known in DETECTABLE.items():
        for seeds, told in known.items():
            found = detectable_difference(PAIRED_DEVIATION[scale], seeds, PAIRED_IMAGE_ERROR[scale])
            assert told == pytest.approx(found, abs=1e-3)
    assert DETECTABLE.keys() == PAIRED_DEVIATION.keys() == PAIRED_IMAGE_ERROR.keys()
