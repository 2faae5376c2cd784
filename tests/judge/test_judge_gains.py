"""Differences to a baseline, paired by seed and image."""

import numpy as np
import pytest

from repro.judge.evidence import Evidence
from repro.judge.gains import gains
from repro.judge.intervals import t_quantile


def evidence(**more):
    rng = np.random.default_rng(0)
    values = {(cell, seed): float(rng.uniform(0.4, 0.6)) for cell in "abc" for seed in range(3)}
    values["b", 3] = 0.9
    return Evidence(values, **more)


def test_paired_by_the_seeds_that_both_have():
    found = gains({"a": "a", "b": "a", "x": "a"}, evidence())
    assert found.keys() == {"b"}
    values = evidence().values
    differences = np.array([values["b", seed] - values["a", seed] for seed in range(3)])
    half = t_quantile(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert found["b"].value == pytest.approx(differences.mean())
    assert (found["b"].low, found["b"].high) == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert found["b"].covers == "seeds only"


def test_what_both_have_in_common_drops_out():
    """Equal noise of images in both cells leaves none in their difference."""
    base = evidence()
    noise = np.random.default_rng(1).normal(0, 0.05, 500)
    replicates = {key: value + noise for key, value in base.values.items()}
    images = dict.fromkeys(base.values, 100)
    found = gains({"b": "a"}, evidence(replicates=replicates, images=images))
    assert found["b"].covers == "images and seeds"
    assert found["b"].image_error == pytest.approx(0, abs=1e-9)


def test_one_measurement_is_not_compared_with_itself():
    assert gains({"b": "a"}, evidence(measured_by={"a": "k", "b": "k"})) == {}
