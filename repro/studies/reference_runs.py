"""Simulations of verdicts that take the noise of seeds from reference runs. Part of `repro.studies.judge_study`.

Somebody ran a table with several seeds; somebody else runs it with one, on the same images, on another machine or with
another version. That run is a seed of its own, or repeats a seed of the reference; and what is elsewhere different adds
to each cell's score, once for all, a normal deviation that no seed of the reference shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from repro.judge.borrowed import with_reference
from repro.judge.claims import judge
from repro.judge.evidence import Evidence, gather
from repro.judge.intervals import estimate
from repro.judge.reference import ReferenceRuns
from repro.metrics import Floats, miou
from repro.randomness import generator
from repro.spec.cell import Cell
from repro.studies.pairs import DEVIATION, SPREADS, better, grid_of
from repro.studies.worlds import World, greater, table_of

PLAIN = "scores without images"
"""A score is its truth and a normal deviation: no noise of images that would make intervals wider."""
REFERENCE_WORLDS = {
    "as at scale tiny": World(
        cells=(0.7, 0.7), images=120, classes=9, objects=3, image=0.7, seed=0.04, seed_cell=0.05, image_cell=0.45
    ),
    "seeds matter most": World(seed=0.2, seed_cell=0.2),
    "images matter most": World(seed=0.02, seed_cell=0.01, image_cell=0.6, image_seed_cell=0.1),
    "runs that now and then go wrong": World(seed=0.0, seed_cell=0.15, skewed=True),
}
SEEDS = (5, 10)
"""Of the reference runs."""
ELSEWHERE = (0.0, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Standard deviation of what another machine or version adds to a difference, in those over seeds."""
BORNE = 0.8
"""How much of that docs/judging.md says verdicts bear, with five reference seeds."""
DIFFERENCES = (1.0, 2.0, 3.0, 4.0, 6.0)
"""True differences in points; one of two plain scores varies by 1.13 over seeds."""
CELLS = 20
"""Of a plain table: the more cells, the less is called unlike its reference runs."""
LUCKY = 0.1
"""Share of the reference runs whose seeds lie closest together."""
REPLICATES = 200

Task = tuple[str, str, float, int, int]
DrawnDifference = tuple[Floats, Evidence]
"""Scores (K, m) of the reference runs, in [0, 1]; what the run is judged on, yet without them."""


@dataclass(frozen=True)
class Borrowed:
    """What was said of "the second network is better" from one seed, with noise of seeds from reference runs."""

    world: str
    repeated: bool
    """Whether the run repeats a seed of the reference elsewhere; else it has a seed of its own."""
    reference_seeds: int
    elsewhere: float
    """In standard deviations over seeds, of a difference."""
    difference: float
    """True difference in points."""
    experiments: int
    supported: float
    contradicted: float
    lucky: float
    """Share that was supported where the reference's seeds lie closest together (`LUCKY`)."""
    unlike: float
    """Share of experiments where the reference was not used, the scores being too far from it."""
    own: float
    """Share that the reference runs by themselves support."""


@dataclass(frozen=True)
class BorrowedTable:
    """What was said of eight claims judged together, from one seed: four are true, by 6 points, four without a
    difference."""

    reference_seeds: int
    elsewhere: float
    experiments: int
    wrong: float
    """Mean share of wrong ones among "supported" and "contradicted"; 0 where there were none."""
    detected: float
    """Share of the true ones that were supported."""


@dataclass(frozen=True)
class BorrowedApart:
    """How often pairs were said to differ, from one seed."""

    pairs: str
    alike: bool
    reference_seeds: int
    experiments: int
    flagged: float


BorrowedRow = Borrowed | BorrowedTable | BorrowedApart


def reference_tasks(experiments: int) -> Iterator[Task]:
    """Yield what there is to simulate, as `repro.studies.judge_study.tasks`; the level is what is added elsewhere."""
    experiments, few = max(1, experiments // 2), max(1, experiments // 5)
    for noise in ("own seed", "repeated seed"):
        for elsewhere in ELSEWHERE:
            yield "borrowed", f"{PLAIN}, {noise}", elsewhere, SEEDS[0], experiments
    for elsewhere in (0.0, 1.0):
        yield "borrowed", f"{PLAIN}, own seed", elsewhere, SEEDS[1], experiments
    for name in REFERENCE_WORLDS:
        for noise, levels in (("own seed", (0.0, 0.8)), ("repeated seed", (0.8,))):
            for elsewhere in levels:
                yield "borrowed", f"{name}, {noise}", elsewhere, SEEDS[0], few
    for difference in DIFFERENCES:
        for seeds in SEEDS:
            yield "borrowed", f"{PLAIN}, {difference:g} points", 0.0, seeds, few
    for elsewhere in (0.0, 0.8):
        for seeds in SEEDS:
            yield "borrowed table", "", elsewhere, seeds, few
    for name in SPREADS:
        yield "borrowed apart", name, 0.0, SEEDS[0], experiments


def simulate_reference(task: Task) -> BorrowedRow:
    """Return one row."""
    kind, name, elsewhere, seeds, experiments = task
    rng = generator(0, kind, name, str(elsewhere), seeds)
    if kind == "borrowed table":
        return _table(elsewhere, seeds, experiments, rng)
    if kind == "borrowed apart":
        return _apart(name, seeds, experiments, rng)
    world, _, noise = name.rpartition(", ")
    difference = float(noise.split()[0]) if noise.endswith("points") else 0.0
    return _borrowed(world, noise == "repeated seed", elsewhere, difference, seeds, experiments, rng)


def _borrowed(
    name: str, repeated: bool, elsewhere: float, difference: float, seeds: int, experiments: int,
    rng: np.random.Generator,
) -> Borrowed:  # fmt: skip
    plain = name == PLAIN
    cells = table_of(CELLS if plain else 2)
    claim = [(greater(1, 0), cells)]
    truth = np.full(len(cells), 60.0)
    truth[1] += difference
    verdicts, unlike, own, spreads = [], 0, 0, []
    for number in range(experiments):
        if plain:
            before, evidence = _plain(truth, cells, repeated, elsewhere, seeds, rng)
        else:
            before, evidence = _imaged(name, cells, repeated, elsewhere, seeds, number, rng)
        evidence = with_reference(evidence, _runs(cells, before))
        unlike += not evidence.reference_seeds([cells[0].id, cells[1].id])
        verdicts.append(judge(claim, evidence)[0].verdict)
        theirs = estimate(100 * (before[1] - before[0]))
        own += theirs.low > 0
        spreads.append(theirs.seed_error)
    supported = np.array([verdict == "supported" for verdict in verdicts])
    closest = np.argsort(spreads, kind="stable")[: max(1, round(LUCKY * experiments))]
    return Borrowed(
        name, repeated, seeds, elsewhere, difference, experiments, float(supported.mean()),
        verdicts.count("contradicted") / experiments, float(supported[closest].mean()), unlike / experiments,
        own / experiments,
    )  # fmt: skip


def _plain(
    truth: Floats, cells: Sequence[Cell], repeated: bool, elsewhere: float, seeds: int, rng: np.random.Generator
) -> DrawnDifference:
    """`truth` (K,) in points."""
    drawn = truth[:, None] + DEVIATION * rng.normal(size=(len(truth), seeds + 1))
    now = drawn[:, 0 if repeated else -1] + elsewhere * DEVIATION * rng.normal(size=len(truth))
    values = {(cell.id, 0): score for cell, score in zip(cells, (now / 100).tolist(), strict=True)}
    return drawn[:, :seeds] / 100, Evidence(values)


def _imaged(
    name: str, cells: Sequence[Cell], repeated: bool, elsewhere: float, seeds: int, number: int,
    rng: np.random.Generator,
) -> DrawnDifference:  # fmt: skip
    world = REFERENCE_WORLDS[name]
    matrices = world.measure(seeds + (not repeated), rng, elsewhere * _seeds_in_logits(name))
    scores, of_run = miou(matrices.sum(axis=2)), matrices[:, -1]
    before, now = scores[:, -1 - seeds : -1], scores[:, -1]  # a seed of its own is the first, which comes once more
    keys = [(cell.id, 0) for cell in cells]
    stored: dict[tuple[str, int], NDArray[np.integer]] = dict(zip(keys, of_run, strict=True))
    values = dict(zip(keys, now.tolist(), strict=True))
    return before, gather(values, matrices=stored, seed=number, replicates=REPLICATES)


@cache
def _seeds_in_logits(name: str) -> float:
    """Return what a cell's level has to vary by so that a difference varies as it does over seeds."""
    world = REFERENCE_WORLDS[name]
    rng = generator(0, "seeds in logits", name)
    deviations = []
    for _ in range(8):
        gaps = np.diff(miou(world.measure(25, rng).sum(axis=2)), axis=0)[0]
        deviations.append(np.std(gaps, ddof=1))
    low, high = (
        replace(world, cells=(world.cells[0] + step,)).truth(generator(0, "slope", name), 9)[0] for step in (-0.1, 0.1)
    )
    return float(np.sqrt(np.mean(np.square(deviations))) / np.sqrt(2) / ((high - low) / 0.2))


def _table(elsewhere: float, seeds: int, experiments: int, rng: np.random.Generator) -> BorrowedTable:
    cells = table_of(CELLS)
    truth = np.full(CELLS, 60.0)
    truth[5] += 6
    pairs = [(1, 0), (2, 0), (3, 0), (2, 1), (5, 0), (5, 1), (5, 2), (5, 3)]
    claims = [(greater(*pair), cells) for pair in pairs]
    wrong = detected = 0.0
    for _ in range(experiments):
        before, evidence = _plain(truth, cells, False, elsewhere, seeds, rng)
        verdicts = [result.verdict for result in judge(claims, with_reference(evidence, _runs(cells, before)))]
        decided = [verdict for verdict in verdicts if verdict != "inconclusive"]
        right = sum(verdict == "supported" for verdict in verdicts[4:])
        wrong += (len(decided) - right) / max(len(decided), 1)
        detected += right / 4
    return BorrowedTable(seeds, elsewhere, experiments, wrong / experiments, detected / experiments)


def _apart(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> BorrowedApart:
    spreads = SPREADS[name]
    truth = 60 + np.array([[0.0] * 4, *spreads])
    cells = grid_of(*truth.shape)
    claim = [(better("mean", {"not": 0}, 0, "mean"), cells)]
    flagged = 0
    for _ in range(experiments):
        before, evidence = _plain(truth.reshape(-1), cells, False, 0.0, seeds, rng)
        flagged += judge(claim, with_reference(evidence, _runs(cells, before)))[0].differences is not None
    alike = len({gain for row in spreads for gain in row}) == 1
    return BorrowedApart(name, alike, seeds, experiments, flagged / experiments)


def _runs(cells: Sequence[Cell], scores: Floats) -> dict[str, ReferenceRuns]:
    """`scores` (K, m)."""
    source = f"{scores.shape[1]} seeds"
    return {
        cell.id: ReferenceRuns(dict(enumerate(row)), source) for cell, row in zip(cells, scores.tolist(), strict=True)
    }
