"""The difference between two measurements of the same cell: on two machines, by two versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.judge.bounded import cut_off
from repro.judge.evidence import gather
from repro.judge.intervals import Estimate, estimate, exact
from repro.spec.metric import MIOU, Metric

Matrices = Mapping[int, NDArray[np.integer]]
"""Seed -> confusion counts (N, C, C) by image, [image, truth, prediction]."""


@dataclass(frozen=True)
class ScoresBySeed:
    """One cell as one store has it, by seed; scores in the metric's internal unit."""

    scores: Mapping[int, float]
    matrices: Matrices
    metric: Metric = MIOU


def difference(a: ScoresBySeed, b: ScoresBySeed, *, same_images: bool, image_mean: bool = False) -> Estimate:
    """B less A, mean over the seeds that both have, with its 95 % interval.

    Paired by seed and, where both were measured on the `same_images`, by resampled image, so that what both have in
    common drops out. `image_mean`: the scores are means over images of their own. Exactly 0 where all bits of
    the matrices agree. ValueError where no seed is in both.
    """
    seeds = sorted(a.scores.keys() & b.scores.keys())
    if not seeds:
        raise ValueError("no seed is in both")
    scores = np.array([b.scores[seed] - a.scores[seed] for seed in seeds])
    if not scores.any() and equal_bits(a, b):
        return exact(0.0)
    if not same_images or any(seed not in side.matrices for side in (a, b) for seed in seeds):
        return _within(estimate(scores), a.metric)
    values = {(name, seed): side.scores[seed] for name, side in (("a", a), ("b", b)) for seed in seeds}
    matrices = {(name, seed): side.matrices[seed] for name, side in (("a", a), ("b", b)) for seed in seeds}
    drawn = gather(
        values, matrices=matrices, image_means=values if image_mean else (), metrics={"a": a.metric, "b": b.metric}
    )
    rows = np.stack([drawn.replicates["b", seed] - drawn.replicates["a", seed] for seed in seeds])
    return _within(estimate(scores, rows, min(drawn.images.values())), a.metric)


def _within(effect: Estimate, metric: Metric) -> Estimate:
    """Two shares differ by 1 at most."""
    return cut_off(effect, -1.0, 1.0) if metric.is_share else effect


def equal_bits(a: ScoresBySeed, b: ScoresBySeed) -> bool:
    """Whether the confusion matrices of every image agree, for every seed that both have."""
    seeds = a.scores.keys() & b.scores.keys()
    return all(
        seed in a.matrices and seed in b.matrices and np.array_equal(a.matrices[seed], b.matrices[seed])
        for seed in seeds
    )
