"""Simulations that show what the judge's intervals and verdicts are worth; `judge_report` makes pages of them.

Experiments with a known truth (`repro.studies.worlds`): how often intervals hold it, how often a true null is called a
finding, how many true differences are found with how many seeds. Every figure has random numbers of its own, so that
it does not depend on which others are computed, nor on how many processes share the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from repro.judge.intervals import bootstrap_miou, estimate, resample_images
from repro.judge.power import power
from repro.metrics import miou
from repro.randomness import generator
from repro.studies.first_trainings import FIRST_SEEDS, SEED, First, first
from repro.studies.interval_ends import FOUND, HELD_BY, MUCH, ClassEnds, Ends, class_ends, ends
from repro.studies.interval_ends import LEVELS as LEVELS_OF_SCORES
from repro.studies.pairs import MAKERS, PairRow, pair_tasks
from repro.studies.reference_runs import BorrowedRow, reference_tasks, simulate_reference
from repro.studies.worlds import World, coverage, greater, verdicts, without_seed_noise

WORLDS = {
    "as at scale tiny": World(
        cells=(0.7, 0.7), images=120, classes=9, objects=3, image=0.7, seed=0.04, seed_cell=0.05, image_cell=0.45
    ),
    "seeds matter most": World(seed=0.2, seed_cell=0.2),
    "images matter most": World(seed=0.02, seed_cell=0.01, image_cell=0.6, image_seed_cell=0.1),
    "40 images, 12 classes": World(images=40, classes=12),
}
"""The first is like the records of v3 Tables 1 to 4 at scale tiny (see `TINY`), the others are extremes."""
SKEWED = {"runs that now and then go wrong": World(seed=0.0, seed_cell=0.15, skewed=True)}
"""Outside the promise: Student's t is for noise without a long tail."""
TINY = {"score": 73.4, "seeds": 1.20, "images": 0.81, "difference_seeds": 1.32, "difference_images": 0.46}
"""Medians in points over the 32 protocols of v3 Tables 1 to 4 at scale tiny (120 images, 9 classes, 5 seeds), and over
their 496 pairs: score, standard deviation over seeds, standard error from images, and both of a paired difference."""
COVERED_SEEDS = (1, 2, 3, 5, 10)
JUDGED_SEEDS = (2, 3, 5, 10)
LEVELS = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3)
"""True differences in logits: 0.1 is worth about 1.7 points."""
EXPERIMENTS = 2000
REPLICATES = 200
"""Of the bootstrap: a tenth of what reports use, to save time; it can only make intervals cover a little less."""
PROMISED_FROM = 3
"""Seeds from which on coverage is promised to be within 2 points of 95 %; 1 seed where seeds make no noise."""


@dataclass(frozen=True)
class Likeness:
    """What a world's scores look like, in points: to be set beside what was measured."""

    world: str
    images: int
    classes: int
    score: float
    seeds: float
    """Standard deviation over seeds."""
    images_error: float
    """Standard error from the choice of images."""
    difference_seeds: float
    difference_images: float


@dataclass(frozen=True)
class Covered:
    """How often 95 % intervals held the truth."""

    world: str
    seeds: int
    experiments: int
    promised: bool
    score: float
    difference: float
    seeds_only: float | None
    """Of a score's interval from seeds alone; None with one seed."""
    width: float
    """Mean width of the difference's interval in points."""


@dataclass(frozen=True)
class Null:
    """What was said of two networks that are equally good."""

    world: str
    seeds: int
    experiments: int
    supported: float
    contradicted: float


@dataclass(frozen=True)
class JudgedTable:
    """What was said of twelve claims judged together, nine without a difference and three true."""

    seeds: int
    experiments: int
    wrong: float
    """Mean share of wrong ones among "supported" and "contradicted"."""
    detected: float
    """Share of the true claims that were supported."""


@dataclass(frozen=True)
class DetectionRate:
    """How often a true difference was found."""

    seeds: int
    experiments: int
    difference: float
    """Points."""
    deviation: float
    """Standard deviation over seeds of the paired difference, points."""
    image_error: float
    """Standard error that the choice of images gives it, points."""
    supported: float
    foretold: float
    """By `repro.judge.power` from these two."""


CoverageRow = Likeness | Covered | Null | JudgedTable | DetectionRate | Ends | ClassEnds | PairRow | BorrowedRow | First
StudyTask = tuple[str, str, float, int, int]
"""(kind of row, world, level, seeds, experiments)."""


def tasks(experiments: int = EXPERIMENTS) -> Iterator[StudyTask]:
    """Yield what there is to simulate, in the order of the pages."""
    for name in WORLDS | SKEWED:
        yield "likeness", name, 0.0, 60, 1
    for name in WORLDS | SKEWED:
        for seeds in COVERED_SEEDS if name in WORLDS else COVERED_SEEDS[1:]:
            yield "coverage", name, 0.0, seeds, experiments
    for name in LEVELS_OF_SCORES:
        for seeds in COVERED_SEEDS if LEVELS_OF_SCORES[name].seed < MUCH else COVERED_SEEDS[1:]:
            yield "ends", name, 0.0, seeds, experiments
    for level in FOUND:
        for held_by in HELD_BY:
            yield "classes", f"{held_by:g}", level, 1, experiments
    for name in WORLDS | SKEWED:
        for seeds in JUDGED_SEEDS:
            yield "null", name, 0.0, seeds, experiments
    for seeds in (3, 5):
        yield "table", "", 0.0, seeds, max(1, experiments // 5)
    for level in LEVELS:
        for seeds in JUDGED_SEEDS:
            yield "power", "", level, seeds, max(1, experiments // 3)
    for name in SEED:
        for seeds in FIRST_SEEDS:
            yield "first", name, 0.0, seeds, experiments
    yield from pair_tasks(experiments)
    yield from reference_tasks(experiments)


def simulate(task: StudyTask) -> CoverageRow:
    """Return one row; the same for the same task on every machine with the same NumPy."""
    kind, name, level, seeds, experiments = task
    if kind.startswith("borrowed"):
        return simulate_reference(task)
    makers: dict[str, Callable[[], CoverageRow]] = {
        "likeness": lambda: _likeness(name, seeds),
        "coverage": lambda: _coverage(name, seeds, experiments),
        "ends": lambda: ends(name, seeds, experiments, generator(0, "ends", name, seeds)),
        "classes": lambda: class_ends(float(name), level, experiments, generator(0, "classes", name, str(level))),
        "null": lambda: _null(name, seeds, experiments),
        "table": lambda: _table(seeds, experiments),
        "power": lambda: _power(level, seeds, experiments),
        "first": lambda: first(name, seeds, experiments, generator(0, "first", name, seeds)),
        **{of: partial(make, name, seeds, experiments, generator(0, of, name, seeds)) for of, make in MAKERS.items()},
    }
    return makers[kind]()


def _world(name: str) -> World:
    return (WORLDS | SKEWED)[name]


def _likeness(name: str, seeds: int) -> Likeness:
    return _likeness_of(_world(name), name, seeds, generator(0, "likeness", name))


def _likeness_of(world: World, name: str, seeds: int, rng: np.random.Generator) -> Likeness:
    matrices = world.measure(seeds, rng)
    weights = resample_images(world.images, 500, rng)
    scores = 100 * miou(matrices.sum(axis=2))
    rows = 100 * np.array([[bootstrap_miou(m, weights) for m in of_cell] for of_cell in matrices])
    cell = estimate(scores[0], rows[0], world.images)
    difference = estimate(scores[1] - scores[0], rows[1] - rows[0], world.images)
    times = float(np.sqrt(seeds))
    return Likeness(
        name, world.images, world.classes, cell.value, cell.seed_error * times, cell.image_error,
        difference.seed_error * times, difference.image_error,
    )  # fmt: skip


def _coverage(name: str, seeds: int, experiments: int) -> Covered:
    world = without_seed_noise(_world(name)) if seeds == 1 else _world(name)
    shares = coverage(world, seeds, experiments, generator(0, "coverage", name, seeds), REPLICATES)
    promised = name in WORLDS and (seeds == 1 or seeds >= PROMISED_FROM)
    alone = None if seeds == 1 else shares.cell_seeds_only
    return Covered(name, seeds, experiments, promised, shares.cell, shares.difference, alone, shares.width)


def _null(name: str, seeds: int, experiments: int) -> Null:
    rng = generator(0, "null", name, seeds)
    counts = verdicts(_world(name), [greater(1, 0)], [0], seeds, experiments, rng, REPLICATES)
    return Null(name, seeds, experiments, counts.supported, counts.contradicted)


def _table(seeds: int, experiments: int) -> JudgedTable:
    world = World(cells=(0.0, 0.0, 0.0, 0.0, 0.0, 0.25))
    nulls = [(1, 0), (2, 0), (3, 0), (4, 0), (2, 1), (3, 1), (4, 1), (3, 2), (4, 2)]
    claims = [greater(*pair) for pair in [*nulls, (5, 0), (5, 1), (5, 2)]]
    rng = generator(0, "table", seeds)
    counts = verdicts(world, claims, [0] * 9 + [1] * 3, seeds, experiments, rng, REPLICATES)
    return JudgedTable(seeds, experiments, counts.false_discovery, counts.right)


def _power(level: float, seeds: int, experiments: int) -> DetectionRate:
    world = _better(level)
    difference, deviation, image_error = _true_difference(level)
    rng = generator(0, "power", str(level), seeds)
    counts = verdicts(world, [greater(1, 0)], [1], seeds, experiments, rng, REPLICATES)
    foretold = power(difference, deviation, seeds, image_error, world.images)
    return DetectionRate(seeds, experiments, difference, deviation, image_error, counts.supported, foretold)


def _better(level: float) -> World:
    return replace(WORLDS["as at scale tiny"], cells=(0.7, 0.7 + level))


@cache
def _true_difference(level: float) -> tuple[float, float, float]:
    """Return the true difference, its deviation over seeds and its error from images, in points.

    The last two are root mean squares over several sets of images: one set by itself is off by a tenth.
    """
    truth = _better(level).truth(generator(0, "truth", str(level)))
    likes = [_likeness_of(_better(level), "", 25, generator(0, "spread", str(level), k)) for k in range(8)]
    seeds, images = ([like.difference_seeds for like in likes], [like.difference_images for like in likes])
    return 100 * float(truth[1] - truth[0]), _root_mean_square(seeds), _root_mean_square(images)


def _root_mean_square(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
