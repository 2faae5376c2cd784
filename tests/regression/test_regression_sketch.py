"""Sketches: their distance against the true one, and what they must not miss."""

import math

import numpy as np
import pytest

from repro.regression.sketch import SUMS, Sketcher


def sketch(array, name="a"):
    return Sketcher().add(name, np.asarray(array)).sketch


@pytest.mark.parametrize("share", [1e-6, 1e-3, 0.3])
def test_the_distance_is_that_of_the_tensors(share):
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(200):
        x = rng.normal(size=(3, 7, 33, 17))
        y = x + share * rng.normal(size=x.shape)
        true = np.linalg.norm(y - x) / max(np.linalg.norm(x), np.linalg.norm(y))
        ratios.append(sketch(x).distance(sketch(y)) / true)
    # the squared estimate is unbiased with standard deviation sqrt(2 / 31) of it
    assert np.mean(np.square(ratios)) == pytest.approx(1, abs=4 * math.sqrt(2 / SUMS / 200))
    assert 0.5 < min(ratios) <= max(ratios) < 1.6


def test_the_cosine_is_that_of_the_tensors():
    rng = np.random.default_rng(1)
    x = rng.normal(size=100_000)
    across = rng.normal(size=100_000)
    assert sketch(x).cosine(sketch(2 * x)) == pytest.approx(1)
    assert sketch(x).cosine(sketch(-x)) == pytest.approx(-1)
    found = [sketch(x, str(k)).cosine(sketch(x + across, str(k))) for k in range(50)]
    assert np.mean(found) == pytest.approx(math.sqrt(0.5), abs=0.06)


@pytest.mark.parametrize("change", [lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: np.roll(x, 1), lambda x: x.T])
def test_the_same_numbers_elsewhere_are_another_tensor(change):
    x = np.random.default_rng(2).normal(size=(31, 31))
    assert sketch(x).distance(sketch(change(x))) > 0.5


def test_zeros_and_what_is_no_number():
    assert sketch(np.zeros(5)).distance(sketch(np.zeros(5))) == 0
    assert sketch(np.zeros(5)).cosine(sketch(np.zeros(5))) == 1
    assert sketch(np.zeros(5)).distance(sketch([0, 0, 1.0])) == 1
    assert math.isnan(sketch([1.0, math.nan]).distance(sketch([1.0, 2.0])))


def test_parts_add_up_and_names_tell_them_apart():
    x = np.random.default_rng(3).normal(size=500)
    both = Sketcher().add("a", x).add("b", -x).sketch
    assert both.norm == pytest.approx(math.sqrt(2) * np.linalg.norm(x))
    assert both.distance(Sketcher().add("a", -x).add("b", x).sketch) > 0.5


def test_signs_are_the_same_everywhere():
    found = sketch(np.arange(100.0), "backbone.stem")
    assert [round(value) for value in found.sums[:6]] == [62, -64, 66, -198, -202, -72]
