"""Intervals of shares: in range, Wilson's own, no worse than Student's, and cut-off differences that decide alike."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from repro.judge.bounded import cut_off, effective_images, share, wilson, within_ends
from repro.judge.claims import judge
from repro.judge.evidence import Evidence, cell_estimate
from repro.judge.intervals import estimate, exact
from repro.judge.paired import ScoresBySeed, difference
from repro.studies.worlds import greater, table_of

shares = st.floats(0, 1) | st.sampled_from([1e-300, 1e-9])
halves = st.floats(0, 1e6)


@pytest.mark.parametrize(("k", "n"), [(1, 10), (5, 10), (49, 50), (300, 1000)])
def test_a_proportion_has_wilsons_interval(k: int, n: int) -> None:
    """Against scipy, with the half-width that the normal distribution gives a proportion."""
    p = k / n
    half = norm.ppf(0.975) * math.sqrt(p * (1 - p) / n)
    other = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(p, half) == pytest.approx((other.low, other.high), abs=1e-12)


@given(shares, halves)
def test_ends_lie_in_range_around_the_share_and_mirror(value: float, half: float) -> None:
    low, high = wilson(value, half)
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1
    if 1e-9 < value < 1 - 1e-9:  # nearer to an end a double has no room for 1 - value
        mirrored = wilson(1 - value, half)
        assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0, 0.3), st.floats(1, 2))
def test_more_noise_makes_it_wider_and_little_noise_is_students(value: float, half: float, times: float) -> None:
    low, high = wilson(value, half)
    wider = wilson(value, half * times)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12
    little = 1e-4 * value * (1 - value)
    assert wilson(value, little) == pytest.approx((value - little, value + little), abs=1e-3 * little)


def test_ends_solve_the_equation_they_are_defined_by() -> None:
    value, half = 0.07, 0.11
    for end in wilson(value, half):
        assert abs(value - end) == pytest.approx(half * math.sqrt(end * (1 - end) / (value * (1 - value))))


def test_without_noise_it_is_a_point_and_with_endless_noise_everything() -> None:
    assert wilson(0.3, 0.0) == pytest.approx((0.3, 0.3))
    assert wilson(0.0, 0.0) == (0.0, 0.0)
    assert wilson(1.0, 0.2) == (0.8, 1.0)
    assert wilson(0.5, math.inf) == (0.0, 1.0)


def test_two_seeds_of_a_cell_leave_no_impossible_scores() -> None:
    scores = np.array([0.1720, 0.2184])
    plain = estimate(scores)
    assert plain.low < 0
    evidence = Evidence({("a", seed): score for seed, score in enumerate(scores.tolist())})
    cell = cell_estimate("a", evidence)
    assert cell == share(scores)
    assert cell is not None
    assert 0 < cell.low < cell.value < cell.high < 1
    assert cell.high - cell.value > cell.value - cell.low  # below the middle it reaches farther up
    assert (cell.value, cell.standard_error, cell.dof) == (plain.value, plain.standard_error, plain.dof)


def test_what_has_no_interval_is_left_alone() -> None:
    alone = estimate(np.array([0.4]))
    assert math.isnan(within_ends(alone).low)
    assert within_ends(exact(0.4)) == exact(0.4)


def test_a_difference_ends_where_two_shares_cannot_differ_more() -> None:
    a = ScoresBySeed({0: 0.1, 1: 0.9}, {})
    b = ScoresBySeed({0: 0.5, 1: 0.2}, {})
    found = difference(a, b, same_images=False)
    assert (found.low, found.high) == (-1.0, 1.0)
    assert math.isnan(cut_off(estimate(np.array([0.4])), -1, 1).low)


@pytest.mark.parametrize("scores", [[(0.1, 0.5), (0.9, 0.2)], [(0.2, 0.9), (0.22, 0.93)]])
def test_cutting_off_decides_nothing(scores: list[tuple[float, float]]) -> None:
    """Whether an interval holds 0, and the verdict, are those of Student's t."""
    cells = table_of(2)
    values = {(cells[k].id, seed): pair[k] for seed, pair in enumerate(scores) for k in (0, 1)}
    [result] = judge([(greater(1, 0), cells)], Evidence(values))
    plain = estimate(100 * np.array([b - a for a, b in scores]))
    assert result.effect is not None
    ends = (max(plain.low, -100), min(plain.high, 100))
    assert (result.effect.low, result.effect.high) == pytest.approx(ends)
    assert (result.p is not None and result.p <= 0.05) == (not plain.low <= 0 <= plain.high)


def test_effective_images_count_what_weighs() -> None:
    assert effective_images(np.array([5.0, 5.0, 5.0, 0.0])) == 3
    assert effective_images(np.array([1000.0, 1.0, 1.0])) == 1
    assert effective_images(np.zeros(4)) == 0


@pytest.mark.parametrize("level", [-3.0, 0.0, 3.0])
def test_shares_of_noisy_seeds_are_covered_no_less_than_by_students_t(level: float) -> None:
    """Logistic-normal noise; 5 seeds of 4000 experiments."""
    rng = np.random.default_rng([2026, int(10 * level) + 100])
    draws = 1 / (1 + np.exp(-level - rng.normal(0, 0.7, size=(4000, 5))))
    truth = float((1 / (1 + np.exp(-level - rng.normal(0, 0.7, size=400_000)))).mean())
    plain = [estimate(row) for row in draws]
    ours = [within_ends(one) for one in plain]
    covered = [np.mean([one.low <= truth <= one.high for one in many]) for many in (plain, ours)]
    assert covered[1] >= covered[0] - 0.002
    assert covered[1] > 0.92
    assert all(one.low >= 0 and one.high <= 1 for one in ours)
    assert replace(plain[0], low=ours[0].low, high=ours[0].high) == ours[0]
