"""The mean over images (a known mistake) carries the spread of that mean."""

import numpy as np
import pytest

from repro.judge.evidence import cell_estimate, gather
from repro.judge.intervals import bootstrap_image_mean
from repro.metrics import miou
from repro.spec.metric import MIOU


def _matrices(images=60):
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 50, (images, 3, 3)) + np.eye(3, dtype=int) * rng.integers(0, 200, (images, 1, 1))
    matrices[7] = 0
    return matrices


def test_the_replicates_are_plain_resampled_means():
    matrices = _matrices()
    weights = np.zeros((2, 60))
    weights[0], weights[1, [3, 7]] = 1, [4, 2]
    found = bootstrap_image_mean(MIOU, matrices, weights)
    assert found[0] == pytest.approx(np.nanmean(miou(matrices)))
    assert found[1] == pytest.approx(miou(matrices)[3])


def test_the_interval_is_that_of_a_mean():
    matrices = _matrices()
    own = miou(matrices)
    value = float(np.nanmean(own))
    evidence = gather({("t/a", 0): value}, matrices={("t/a", 0): matrices}, image_means={("t/a", 0)})
    found = cell_estimate("t/a", evidence)
    assert found.value == value
    assert found.standard_error == pytest.approx(np.nanstd(own) / np.sqrt(59), rel=0.06)
    other = cell_estimate("t/a", gather({("t/a", 0): value}, matrices={("t/a", 0): matrices}))
    assert other.standard_error != pytest.approx(found.standard_error, rel=0.01)
