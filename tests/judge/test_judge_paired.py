"""Differences of two measurements of a cell: exact zero, pairing by image and seed, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.paired import ScoresBySeed, difference
from repro.metrics import miou


def matrices(rng, images=60, accuracy=0.8):
    """Confusion counts (N, 3, 3) of images with 100 pixels each, so many of them right."""
    truth = rng.multinomial(100, [0.6, 0.3, 0.1], size=images)
    out = np.zeros((images, 3, 3), dtype=np.int64)
    for n in range(images):
        for c in range(3):
            wrong = (1 - accuracy) / 2
            out[n, c] = rng.multinomial(truth[n, c], np.roll([accuracy, wrong, wrong], c))
    return out


def side(by_seed):
    return ScoresBySeed({seed: float(miou(counts.sum(0))) for seed, counts in by_seed.items()}, by_seed)


def test_the_same_bits_differ_by_exactly_nothing():
    one = side({0: matrices(np.random.default_rng(0))})
    found = difference(one, one, same_images=True)
    assert (found.value, found.covers) == (0.0, "exact")


def test_only_common_seeds_count_and_the_sign_is_that_of_b():
    rng = np.random.default_rng(1)
    a, b = side({0: matrices(rng), 1: matrices(rng)}), side({1: matrices(rng, accuracy=0.9), 2: matrices(rng)})
    found = difference(a, b, same_images=True)
    assert found.value == pytest.approx(b.scores[1] - a.scores[1])
    assert found.value > 0
    assert found.seeds == 1
    with pytest.raises(ValueError, match="no seed"):
        difference(side({0: matrices(rng)}), side({1: matrices(rng)}), same_images=True)


def test_pairing_by_image_narrows_the_interval():
    rng = np.random.default_rng(2)
    base = matrices(rng)
    nearly = base.copy()
    nearly[:3] = matrices(rng, images=3)
    a, b = side({0: base}), side({0: nearly})
    paired = difference(a, b, same_images=True)
    alone = difference(a, side({0: matrices(np.random.default_rng(3))}), same_images=True)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
    assert difference(a, b, same_images=False).covers == "nothing"


def test_two_draws_of_the_same_network_are_told_apart_rarely():
    rng = np.random.default_rng(4)
    misses = 0
    for _ in range(120):
        a, b = (side({seed: matrices(rng, images=40) for seed in range(3)}) for _ in range(2))
        found = difference(a, b, same_images=True)
        misses += not found.low <= 0 <= found.high
    assert misses / 120 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
