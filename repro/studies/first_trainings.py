"""Simulation of what pre-trainings do to intervals: one for all seeds, or one for each. Part of `judge_study`.

What a pre-training happens to learn moves a difference of two networks. If all seeds start from one, every seed is
moved alike: nothing in their spread shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repro.judge.intervals import estimate

FIRST = 0.29
"""Points: deviation of a difference over pre-trainings, about as measured at scale tiny."""
SEED = {"seeds vary by 1 point": 1.0, "seeds vary by 0.3 points": 0.3}
"""Deviation of a difference over seeds that share a pre-training. The first is as in v3 Tables 1 to 4; the second an
extreme: where seeds change so little, pre-trainings as a rule cancel as well."""
FIRST_SEEDS = (3, 5, 10)


@dataclass(frozen=True)
class First:
    """How often 95 % intervals of a difference held the truth, as other pre-trainings would have it."""

    world: str
    seeds: int
    experiments: int
    shared: float
    """With one pre-training for all seeds."""
    own: float
    """With one for each seed."""


def first(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> First:
    """Return a row: the truth is 0, the mean over seeds and pre-trainings."""
    held = np.zeros(2)
    for _ in range(experiments):
        of_seeds = SEED[name] * rng.normal(size=seeds)
        of_first = FIRST * rng.normal(size=seeds)
        for k, moved in enumerate((of_first[0], of_first)):
            effect = estimate(of_seeds + moved)
            held[k] += effect.low <= 0 <= effect.high
    shared, own = (held / experiments).tolist()
    return First(name, seeds, experiments, shared, own)
