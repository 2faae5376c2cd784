"""Simulations of claims about several comparisons: "every", "mean", pairs that differ, intervals of claims.

Part of `judge_study`. Two networks, or a baseline and three variants, are compared at several places of a table.
In the plain experiments a score is its truth plus a normal deviation of each cell and seed, so that what happens can be
followed with a pencil; the same questions are put to worlds of images and confusion matrices (`repro.studies.worlds`)
where images matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repro.judge.claims import judge
from repro.judge.evidence import Evidence, gather
from repro.judge.result import ClaimResult
from repro.judge.significance import contains
from repro.metrics import Floats, miou
from repro.spec.cell import Cell
from repro.spec.claim import Claim
from repro.spec.claim_kinds import KINDS
from repro.studies.worlds import World

DEVIATION = 0.8
"""Points: of a cell over seeds; a difference of two then varies by 1.13, as at scale tiny."""
PLACES = {
    "3, 2.5, 2, -0.8": (3.0, 2.5, 2.0, -0.8),
    "3, 2.5, 2, 0": (3.0, 2.5, 2.0, 0.0),
    "0, 0, 0, 0": (0.0, 0.0, 0.0, 0.0),
    "2, 2, 2, 2": (2.0, 2.0, 2.0, 2.0),
    "3, 3, 3, 3": (3.0, 3.0, 3.0, 3.0),
}
"""True differences of two networks at four places, in points."""
SPREADS: dict[str, tuple[tuple[float, ...], ...]] = {
    "four pairs, alike": ((1.0, 1.0, 1.0, 1.0),),
    "four pairs: 3, 2.5, 2, -0.8": ((3.0, 2.5, 2.0, -0.8),),
    "four pairs: 2, 1, 1, 0": ((2.0, 1.0, 1.0, 0.0),),
    "three variants, four places, alike": ((1.0,) * 4,) * 3,
    "three variants, four places: 4.4 at one": ((4.4, 0.0, 0.0, 0.0),) * 3,
    "three variants, four places: 2 at one": ((2.0, 0.0, 0.0, 0.0),) * 3,
}
"""True gains of variants over their baseline at each place, in points, by variant."""
UNEQUAL = "three variants, four places, alike; the baseline varies four times as much"
IN_IMAGES = {
    "four pairs, alike, as at scale tiny": World(
        cells=(0.7,) * 8, images=120, classes=9, objects=3, image=0.7, seed=0.04, seed_cell=0.05, image_cell=0.45
    ),
    "four pairs, alike, images matter most": World(
        cells=(0.0,) * 8, seed=0.02, seed_cell=0.01, image_cell=0.6, image_seed_cell=0.1
    ),
}
"""Worlds of two rows of four cells."""
TABLES = ("a table of one kind of pairs", "a table of every kind of claim")
EVERY_SEEDS = (3, 5, 10)
APART_SEEDS = (2, 3, 5, 10)
REPLICATES = 200


@dataclass(frozen=True)
class Every:
    """What was said of "better at every place" and "better on average", in shares of experiments."""

    places: str
    seeds: int
    experiments: int
    every_supported: float
    every_contradicted: float
    mean_supported: float
    """With and without "on average"."""
    mean_plain: float
    """Without: no word that pairs differ."""


@dataclass(frozen=True)
class Apart:
    """How often pairs were said to differ."""

    pairs: str
    alike: bool
    """Whether in truth they do not."""
    seeds: int
    experiments: int
    flagged: float


@dataclass(frozen=True)
class Missed:
    """How often intervals of claims miss the truth of the effect that they are shown for."""

    table: str
    seeds: int
    experiments: int
    decided: float
    """Mean share of claims that were supported or contradicted."""
    wrong: float
    """Mean share of wrong ones among these verdicts; 0 where there were none."""
    missed_decided: float
    """Mean share of intervals that miss among the decided claims (the false coverage rate)."""
    missed: float
    """Among all claims."""
    at_odds: float
    """Share of claims whose interval, inside the claimed range, outside or across, is not as the verdict says."""


PairRow = Every | Apart | Missed


def pair_tasks(experiments: int) -> list[tuple[str, str, float, int, int]]:
    """Return what there is to simulate, as `judge_study.tasks`; half as many experiments, which take long."""
    experiments = max(1, experiments // 2)
    tasks = [("every", name, 0.0, seeds, experiments) for name in PLACES for seeds in EVERY_SEEDS]
    for name in (*SPREADS, UNEQUAL):
        tasks += [("apart", name, 0.0, seeds, experiments) for seeds in APART_SEEDS]
    for name in IN_IMAGES:
        tasks += [("apart", name, 0.0, seeds, max(1, experiments // 5)) for seeds in APART_SEEDS]
    tasks += [("missed", name, 0.0, seeds, experiments) for name in TABLES for seeds in EVERY_SEEDS]
    return tasks


def grid_of(rows: int, columns: int) -> tuple[Cell, ...]:
    """Return a made-up table: networks (`model.width`) by row, places (`train.crop`) by column."""
    return tuple(
        Cell("made/up", r, c, f"net {r}", f"crop {c}", "miou", "measured", {"model.width": r, "train.crop": c},
             50.0 + r, 2, f"made/up/{r}/{c}")
        for r in range(rows)
        for c in range(columns)
    )  # fmt: skip


def scores(truth: Floats, deviations: Floats, seeds: int, rng: np.random.Generator) -> Evidence:
    """Return an experiment on `grid_of(*truth.shape)`: truth and deviations (rows, columns) in points."""
    drawn = truth[..., None] + deviations[..., None] * rng.normal(size=(*truth.shape, seeds))
    cells = grid_of(*truth.shape)
    keys = [(cell.id, seed) for cell in cells for seed in range(seeds)]
    return Evidence(dict(zip(keys, (drawn.reshape(-1) / 100).tolist(), strict=True)))


def imaged(world: World, columns: int, seeds: int, number: int, rng: np.random.Generator) -> Evidence:
    """Return an experiment on a grid with so many columns, its confusion matrices counted image by image."""
    matrices = world.measure(seeds, rng)
    cells = grid_of(len(world.cells) // columns, columns)
    keys = [(cell.id, seed) for cell in cells for seed in range(seeds)]
    values = dict(zip(keys, miou(matrices.sum(axis=2)).reshape(-1).tolist(), strict=True))
    stored = dict(zip(keys, matrices.reshape(-1, *matrices.shape[2:]), strict=True))
    return gather(values, matrices=stored, seed=number, replicates=REPLICATES)


def better(name: str, left: object, right: object, over: str | None, **fields: object) -> Claim:
    """Return the claim that some rows of a grid are better than another."""
    return Claim.model_validate(
        {"id": f"made.{name}", "text": name, "kind": "greater", "over": over, "left": {"width": left},
         "right": {"width": right}, **fields}
    )  # fmt: skip


def every(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> Every:
    """Return a row of `Every`: two networks at four places."""
    truth = 60 + np.array([[0.0] * 4, PLACES[name]])
    cells = grid_of(2, 4)
    claims = {over: [(better(over, 1, 0, over), cells)] for over in ("every", "mean")}
    verdicts_by: dict[str, list[str]] = {over: [] for over in claims}
    for _ in range(experiments):
        evidence = scores(truth, np.full_like(truth, DEVIATION), seeds, rng)
        for over, claim in claims.items():
            verdicts_by[over].append(judge(claim, evidence)[0].verdict)

    def share(over: str, *verdicts: str) -> float:
        return sum(verdict in verdicts for verdict in verdicts_by[over]) / experiments

    return Every(
        name, seeds, experiments, share("every", "supported"), share("every", "contradicted"),
        share("mean", "supported", "supported on average"), share("mean", "supported"),
    )  # fmt: skip


def apart(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> Apart:
    """Return a row of `Apart`."""
    spreads = SPREADS["three variants, four places, alike"] if name == UNEQUAL else SPREADS.get(name, ((0.0,) * 4,))
    truth = 60 + np.array([[0.0] * 4, *spreads])
    deviations = np.full_like(truth, DEVIATION)
    if name == UNEQUAL:
        deviations[0] *= 4
    cells = grid_of(*truth.shape)
    claim = better("mean", {"not": 0}, 0, "mean")
    flagged = 0
    for number in range(experiments):
        world = IN_IMAGES.get(name)
        evidence = scores(truth, deviations, seeds, rng) if world is None else imaged(world, 4, seeds, number, rng)
        flagged += judge([(claim, cells)], evidence)[0].differences is not None
    return Apart(name, len({gain for row in spreads for gain in row}) == 1, seeds, experiments, flagged / experiments)


def missed(name: str, seeds: int, experiments: int, rng: np.random.Generator) -> Missed:
    """Return a row of `Missed`: in each experiment truths are drawn anew, half of the places without a difference."""
    claims = _ordinary_claims() if name == TABLES[0] else _all_kinds()
    cells = grid_of(3, 4)
    counts = np.zeros(5)
    for _ in range(experiments):
        gains = rng.normal(0, 2, size=(3, 4)) * (rng.random((3, 4)) < 0.5)
        truth = 60 + gains
        deviations = np.exp(rng.normal(np.log(DEVIATION), 0.4, size=truth.shape))
        results = judge([(claim, cells) for claim in claims], scores(truth, deviations, seeds, rng))
        of_cell = dict(zip((cell.id for cell in cells), truth.reshape(-1).tolist(), strict=True))
        misses = [_misses(result, of_cell) for result in results]
        decided = [k for k, result in enumerate(results) if result.verdict != "inconclusive"]
        wrong = [_is_wrong(results[k], of_cell) for k in decided]
        counts += [
            len(decided) / len(results),
            sum(wrong) / max(len(decided), 1),
            sum(misses[k] for k in decided) / max(len(decided), 1),
            sum(misses) / len(results),
            sum(_of_interval(r) != r.verdict.removesuffix(" on average") for r in results) / len(results),
        ]
    return Missed(name, seeds, experiments, *(counts / experiments).tolist())


def _ordinary_claims() -> list[Claim]:
    """Eight claims of one pair each."""
    return [better(f"c{row}{c}", row, 0, None, where={"crop": c}) for row in (1, 2) for c in range(4)]


def _all_kinds() -> list[Claim]:
    """Eight claims of every kind, most of several comparisons."""
    rows: Mapping[str, object] = {"left": {"width": 1}, "right": {"width": 0}}
    made: Sequence[Mapping[str, object]] = (
        {"kind": "greater", "over": "every", **rows},
        {"kind": "greater", "over": "mean", **rows},
        {"kind": "gain", "over": "every", "low": -1.5, **rows},
        {"kind": "equal", "over": "every", "tolerance": 2.5, **rows},
        {"kind": "equal", "over": "mean", "tolerance": 1.5, **rows},
        {"kind": "monotone", "over": "mean", "along": "width", "direction": "increasing"},
        {"kind": "best", "over": "every", "left": {"width": 2, "crop": 0}, "among": {}},
        {"kind": "largest-gain-at", "over": "every", "along": "crop", "at": 0, **rows},
    )
    return [Claim.model_validate({"id": f"made.k{k}", "text": "", **fields}) for k, fields in enumerate(made)]


def _true_effects(result: ClaimResult, truth: Mapping[str, float]) -> list[float]:
    """Return the true value of each part of a claim: the mean over its pairs (left - right, or a gain over a gain)."""
    signs: dict[int, tuple[int, ...]] = {2: (1, -1), 4: (1, -1, -1, 1)}

    def of_pair(cells: Sequence[str]) -> float:
        return sum(sign * truth[cell] for sign, cell in zip(signs[len(cells)], cells, strict=True))

    return [float(np.mean([of_pair(pair.cells) for pair in part.pairs])) for part in result.parts]


def _misses(result: ClaimResult, truth: Mapping[str, float]) -> bool:
    assert result.interval is not None
    effect = _true_effects(result, truth)[result.decisive]
    return not result.interval.low <= effect <= result.interval.high


def _is_wrong(result: ClaimResult, truth: Mapping[str, float]) -> bool:
    """Whether a verdict is not the true one. A difference of exactly 0 is no "better", and no "worse" either."""
    effects = list(zip(result.parts, _true_effects(result, truth), strict=True))
    if result.verdict.startswith("contradicted"):
        return not any(value < part.low or value > part.high for part, value in effects)
    strict = KINDS[result.kind].strict
    return not all(contains(value, part.low, part.high, strict) for part, value in effects)


def _of_interval(result: ClaimResult) -> str:
    """Return the verdict that the interval of the weakest effect shows."""
    part = result.parts[result.decisive]
    assert part.interval is not None
    if part.low <= part.interval.low and part.interval.high <= part.high:
        return "supported"
    outside = part.interval.high < part.low or part.interval.low > part.high
    return "contradicted" if outside else "inconclusive"


MAKERS: Mapping[str, Callable[[str, int, int, np.random.Generator], PairRow]] = {
    "every": every, "apart": apart, "missed": missed,
}  # fmt: skip
