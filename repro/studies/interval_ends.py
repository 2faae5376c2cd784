"""Simulations of intervals near the ends of a quantity: which rule keeps them in range and still covers the true value?

Part of `judge_study`. Every rule sees the same experiments. "student" is Student's t without ends, "cut" the same
cut off at 0 and 1, "logit" the t interval on the scale of log odds (by the delta method), "wilson" that of
`repro.judge.bounded`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from repro.judge.bounded import effective_images, wilson
from repro.judge.intervals import bootstrap_miou, estimate, resample_images, t_quantile, widened
from repro.metrics import Floats, miou
from repro.randomness import generator
from repro.studies.worlds import World, without_seed_noise

MUCH = 0.4
"""Logits; without noise of seeds such a world is that of the line above it."""
LEVELS = {
    "near 0": World(cells=(-4.5,), seed=0.1, seed_cell=0.1),
    "near 0, seeds differ much": World(cells=(-4.5,), seed=MUCH, seed_cell=MUCH),
    "in the middle": World(cells=(-1.0,), seed=0.1, seed_cell=0.1),
    "in the middle, seeds differ much": World(cells=(-1.0,), seed=MUCH, seed_cell=MUCH),
    "near 1": World(cells=(4.0,), seed=0.1, seed_cell=0.1),
    "near 1, seeds differ much": World(cells=(4.0,), seed=MUCH, seed_cell=MUCH),
}
"""One cell each; "much" is by a third to a half of the distance to the nearest end."""
TRUTHS = 4
"""Sets of very many images whose mean is the truth: by one set alone it would be off by up to a seventh of an error."""
RULES = ("student", "cut", "logit", "wilson")
REPLICATES = 100
HELD_BY = (0.05, 0.1, 0.3, 1.0)
"""Shares of the images that hold a class."""
FOUND = (-4.0, -1.0, 1.0, 4.0)
"""Logits of the share of a class's pixels that is usually found."""
IMAGES = 100


@dataclass(frozen=True)
class Ends:
    """What rules for a score's interval were worth."""

    world: str
    seeds: int
    experiments: int
    truth: float
    """Per cent."""
    impossible: float
    """Share of Student's intervals that leave 0 to 100 %."""
    covered: Mapping[str, float]
    """Rule -> share of intervals that held the truth."""
    width: Mapping[str, float]
    """Rule -> mean width in points."""


@dataclass(frozen=True)
class ClassEnds:
    """What rules for the interval of a class's IOU were worth, one network on 100 images."""

    held_by: float
    """Share of the images that hold the class."""
    truth: float
    """Per cent."""
    experiments: int
    student: float
    """Share that held the truth: Student's t with as many degrees of freedom as there are images, less 1."""
    wilson: float
    """Wilson's interval with the effective number of images that hold the class."""
    width: float
    """Mean width of the latter in points."""


def ends(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> Ends:
    """Return a row of `Ends`; with one seed the world has no noise of seeds."""
    world = without_seed_noise(LEVELS[name]) if seeds == 1 else LEVELS[name]
    truth = _truth(name, seeds == 1)
    covered, width = dict.fromkeys(RULES, 0.0), dict.fromkeys(RULES, 0.0)
    impossible = 0
    for _ in range(experiments):
        matrices = world.measure(seeds, rng)[0]
        weights = resample_images(world.images, REPLICATES, rng)
        rows = np.array([bootstrap_miou(m, weights) for m in matrices])
        effect = estimate(miou(matrices.sum(axis=1)), rows, world.images)
        impossible += effect.low < 0 or effect.high > 1
        for rule, (low, high) in _intervals(effect.value, effect.high - effect.value).items():
            covered[rule] += low <= truth <= high
            width[rule] += 100 * (high - low)
    covered, width = ({rule: total / experiments for rule, total in sums.items()} for sums in (covered, width))
    return Ends(name, seeds, experiments, 100 * truth, impossible / experiments, covered, width)


@cache
def _truth(name: str, alone: bool) -> float:
    """Return the true mean IOU of a world, `alone` without noise of seeds."""
    world, nodes = (without_seed_noise(LEVELS[name]), 1) if alone else (LEVELS[name], 33)
    sets = [generator(0, "truth near ends", name, k) for k in range(TRUTHS)]
    return float(np.mean([world.truth(rng, nodes)[0] for rng in sets]))


def _intervals(value: float, half: float) -> dict[str, tuple[float, float]]:
    odds, reach = math.log(value / (1 - value)), half / (value * (1 - value))
    return {
        "student": (value - half, value + half),
        "cut": (max(0.0, value - half), min(1.0, value + half)),
        "logit": (_expit(odds - reach), _expit(odds + reach)),
        "wilson": wilson(value, half),
    }


def _expit(odds: float) -> float:
    return 0.5 * (1 + math.tanh(odds / 2))


def class_ends(held_by: float, level: float, experiments: int, rng: np.random.Generator) -> ClassEnds:
    """Return a row of `ClassEnds`; `level` is one of `FOUND`, `held_by` one of `HELD_BY`."""
    right, union = _class(200_000, held_by, level, rng)
    truth = float(right.sum() / union.sum())
    student = held = width = 0.0
    counted = 0
    while counted < experiments:
        right, union = _class(IMAGES, held_by, level, rng)
        images = effective_images(union[:, 0])
        if images < 2:
            continue  # such a class gets no interval
        counted += 1
        weights = resample_images(IMAGES, REPLICATES, rng)
        both, either = (weights @ widened(right, union))[:, 0], (weights @ union)[:, 0]
        error = float(np.std((both / np.where(either > 0, either, np.nan))[either > 0], ddof=1))
        value = float(right.sum() / union.sum())
        student += abs(truth - value) <= t_quantile(0.975, IMAGES - 1) * error
        low, high = wilson(value, t_quantile(0.975, images - 1) * error)
        held += low <= truth <= high
        width += 100 * (high - low)
    return ClassEnds(held_by, 100 * truth, experiments, student / experiments, held / experiments, width / experiments)


def _class(images: int, held_by: float, level: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return intersection and union (images, 1) of a class: regions of very different size, now and then imagined."""
    there = rng.random(images) < held_by
    pixels = np.where(there, np.exp(rng.normal(6.0, 0.8, size=images)), 0.0)
    right = pixels / (1 + np.exp(-level - rng.normal(size=images)))
    wrong = np.where(there, 0.15 * pixels * rng.random(images), 0.0)
    wrong += np.where(~there & (rng.random(images) < 0.02), np.exp(rng.normal(3.0, 1.0, size=images)), 0.0)
    return np.rint(right)[:, None], np.rint(pixels + wrong)[:, None]
