"""Printing numbers: rounding, signs, units."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from repro.report import number_format as numbers


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (76.6649, 2, "76.66"),
        (-0.004, 2, "0.00"),
        (-1.25, 1, "−1.2"),
        (None, 2, "–"),
        (math.nan, 2, "–"),
        (math.inf, 2, "∞"),
    ],
)
def test_fixed(value, decimals, text):
    assert numbers.fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "+0.50"), (-0.5, "−0.50"), (0.001, "0.00"), (-0.001, "0.00"), (None, "–")]
)
def test_signed_shows_the_sign_of_what_is_printed(value, text):
    assert numbers.signed(value) == text


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_fixed_reads_back_as_the_rounded_number(value, decimals):
    text = numbers.fixed(value, decimals).replace("−", "-")
    assert float(text) == pytest.approx(value, abs=0.51 * 10**-decimals)
    assert (text != "-0" and not text.startswith("-0.")) or float(text) != 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (42.4, "42 s"),
        (185, "3 min 05 s"),
        (540, "9 min"),
        (7620, "2 h 07 min"),
        (7200, "2 h"),
    ],
)
def test_seconds(value, text):
    assert numbers.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(412_345, "412 k"), (58_055_616, "58.1 M"), (76.05e9, "76.0 G"), (7, "7"), (None, "–")]
)
def test_count(value, text):
    assert numbers.count(value) == text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0, "< 0.001"), (0.0009, "< 0.001"), (0.05, "0.050"), (1.0, "1.000"), (None, "–")]
)
def test_a_probability_is_never_a_bare_zero(p, text):
    assert numbers.probability(p) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (1.04, "1"), (3.98, "4"), (4.13, "4.1"), (119.7, "120"), (math.inf, "∞")]
)
def test_degrees_of_freedom(value, text):
    assert numbers.dof(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [((1, 2, 1), "(1, 2, 1)"), (True, "yes"), (None, "none"), (0.007, "0.007"), (1e-4, "0.0001"), ("sgd", "sgd")],
)
def test_setting(value, text):
    assert numbers.setting(value) == text


@given(st.lists(st.integers(0, 9).map(float), max_size=12))
def test_ranks_are_competition_ranks_from_the_top(values):
    expected = rankdata([-v for v in values], method="min").tolist() if values else []
    assert numbers.ranks(values) == expected
