"""Range tests against scipy and against the interval; false discoveries against the published rule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from repro.judge.intervals import estimate, exact
from repro.judge.significance import contains, false_discovery, p_inside, p_outside, two_sided

DIFFERENCES = np.array([0.4, 1.1, 0.2, 0.9, -0.1])


def test_open_range_is_the_one_sided_t_test() -> None:
    effect = estimate(DIFFERENCES)
    greater = stats.ttest_1samp(DIFFERENCES, 0.1, alternative="greater").pvalue
    assert p_inside(effect, 0.1, math.inf) == pytest.approx(greater)
    assert p_outside(effect, 0.1, math.inf) == pytest.approx(1 - greater)
    both = stats.ttest_1samp(DIFFERENCES, 0.1).pvalue
    assert two_sided(p_inside(effect, 0.1, math.inf), p_outside(effect, 0.1, math.inf)) == pytest.approx(both)


def test_closed_range_is_two_one_sided_tests() -> None:
    effect = estimate(DIFFERENCES)
    above = stats.ttest_1samp(DIFFERENCES, -1.0, alternative="greater").pvalue
    below = stats.ttest_1samp(DIFFERENCES, 1.2, alternative="less").pvalue
    assert p_inside(effect, -1.0, 1.2) == pytest.approx(max(above, below))
    beyond = stats.ttest_1samp(DIFFERENCES, 0.1, alternative="greater").pvalue
    assert p_outside(effect, -1.0, 0.1) == pytest.approx(beyond)


@settings(deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=3, max_size=6, unique=True),
    st.floats(-2, 2),
    st.one_of(st.just(math.inf), st.floats(0.01, 3)),
)
def test_verdict_at_five_per_cent_agrees_with_the_interval(values: list[float], low: float, width: float) -> None:
    effect, high = estimate(np.array(values)), low + width
    if effect.standard_error < 1e-6:
        return
    inside, outside = p_inside(effect, low, high), p_outside(effect, low, high)
    assert (2 * inside <= 0.05) == (effect.low >= low and effect.high <= high) or abs(inside - 0.025) < 1e-9
    beyond = effect.high <= low or effect.low >= high
    assert (2 * outside <= 0.05) == beyond or abs(outside - 0.025) < 1e-9


def test_no_spread_is_decided_by_the_value() -> None:
    assert p_inside(exact(1.0), 0.0, math.inf) == 0.0
    assert p_inside(exact(-1.0), 0.0, math.inf) == 1.0
    assert p_outside(exact(-1.0), 0.0, math.inf) == 0.0


def test_printed_numbers_are_compared_as_printed() -> None:
    assert contains(77.21 - 75.95, 1.26, 1.26, strict=False)
    assert not contains(76.66 - 76.66, 0.0, math.inf, strict=True)
    assert not contains(0.3 - 0.1 - 0.2, 0.0, math.inf, strict=True)
    assert contains(0.01, 0.0, math.inf, strict=True)


def test_false_discovery_equals_scipys() -> None:
    p = [0.01, 0.04, 0.03, 0.5, 0.002, 0.04]
    np.testing.assert_allclose(false_discovery(p), stats.false_discovery_control(p))
    assert false_discovery([]).shape == (0,)
    assert false_discovery([0.03]).tolist() == [0.03]
