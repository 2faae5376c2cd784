"""Has a table's result moved? A run held against a baseline.

On the same kind of machine every bit must be the same: confusion matrices, scores, weights. On another kind the same
sums are rounded in another order, and a training is chaotic: after some tens of steps the last bit has grown into
another network, as different as one from another seed. What may move, and how far, is then a matter of statistics.
Three quantities are compared, seed by seed with the baseline's same seed:

    score            the cell's metric (mean IOU), mean over the n seeds. Explained by seeds: the deviation over
                     the baseline's seeds, of the cell or pooled over the table's cells of that metric, whichever is
                     larger, times sqrt(2 / n) for a difference of two means. (A pair shares its batches and first
                     weights and is more alike than that: the test is strict.)
    mean loss        of the training, likewise. It tells something where the score can't: a network of 30 steps may
                     call everything background, whatever was wrong with it.
    first-step loss  of every training in the chain. It follows from data, weights and network by one forward pass, so
                     that seeds explain nothing: tolerated is `FIRST_STEP_FACTOR` times what other rounding was seen to
                     change when the baseline was made. Compared where both were computed on a CPU in one precision.

A tolerance is so many standard errors that all comparisons of a table together give a false alarm in `FALSE_ALARMS` of
the runs at most (Bonferroni; Student's t with the degrees of freedom of the pooled spread), and never below a floor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from repro.judge.baseline import Baseline, CellBaseline, SeedResult, same_bits
from repro.judge.intervals import t_quantile
from repro.spec.metric import MIOU, Metric, find_metric

FALSE_ALARMS = 0.01
"""Of runs on another kind of machine, per table."""
SCORE_FLOOR = 0.001
"""0.1 points of mean IOU: a few border pixels of a few images. Of a metric that is no share: part of the score."""
MEAN_LOSS_FLOOR = 0.01
"""Share of the mean loss."""
FIRST_STEP_FLOOR = {"float32": 1e-4, "bfloat16": 1e-3}
"""Precision -> share of the first-step loss; a forward pass rounds at 1e-6 and 1e-3, and a loss is a mean of many."""
FIRST_STEP_FACTOR = 2.0
"""One second rounding is one draw, shared by all cells that start from the same pre-training."""

CheckedState = Literal["equal", "within", "moved", "failed"]


@dataclass(frozen=True)
class Shift:
    """One comparison. Scores are in their metric's internal unit."""

    quantity: str
    """"score", "mean loss", "first-step loss" (of the cell's own training; else with "of training 1 of 2"), "value"."""
    before: float
    now: float
    tolerance: float
    """Largest difference that is tolerated."""
    moved: bool
    metric: Metric = MIOU
    """Of a score."""

    @property
    def difference(self) -> float:
        """Now less before."""
        return self.now - self.before


@dataclass(frozen=True)
class CheckedCell:
    """One cell held against its baseline."""

    id: str
    kind: Literal["computed", "measured"]
    state: CheckedState
    """equal: to the last bit; within: a difference within its tolerance."""
    seeds: int
    shifts: tuple[Shift, ...] = ()
    """The score (or value) first."""
    detail: str = ""
    """What moved, in words, or why the cell failed."""

    @property
    def moved(self) -> tuple[Shift, ...]:
        """The comparisons that fail."""
        return tuple(shift for shift in self.shifts if shift.moved)


@dataclass(frozen=True)
class CheckedTable:
    """A table held against its baseline."""

    table: str
    scale: str
    exact: bool
    """Whether every bit had to be the same."""
    cells: tuple[CheckedCell, ...]
    comparisons: int = 0
    """How many of them share the rate of false alarms; 0 where bits are compared."""
    spread: Mapping[str, float] = field(default_factory=dict)
    """Quantity -> pooled standard deviation that tolerances are made of; empty where bits are compared."""

    def count(self, state: CheckedState) -> int:
        """How many cells are in a state."""
        return sum(cell.state == state for cell in self.cells)

    @property
    def passed(self) -> bool:
        """Whether nothing moved and nothing failed."""
        return all(cell.state in ("equal", "within") for cell in self.cells)


def check(before: Baseline, now: Baseline, failed: Mapping[str, str] | None = None) -> CheckedTable:
    """Hold `now` against the baseline `before`, cell by cell of `now`, with the seeds of `now`.

    `failed`: cell id -> why it has no result. Every cell must be in `before` with these seeds.
    """
    failed = failed or {}
    exact = same_bits(before.kind, now.kind) or all(cell.kind == "computed" for cell in now.cells)
    tolerances = None if exact else _Tolerances(before, now)
    cells = []
    for cell in now.cells:
        old = before.cell(cell.id)
        if old is None:
            raise ValueError(f"{cell.id} is not in the baseline")
        if cell.id in failed:
            cells.append(CheckedCell(cell.id, cell.kind, "failed", len(cell.seeds), detail=failed[cell.id]))
        elif cell.kind == "measured" and not cell.seeds:
            cells.append(CheckedCell(cell.id, cell.kind, "failed", 0, detail="it has no result"))
        elif cell.kind == "computed":
            cells.append(_computed(old, cell))
        else:
            cells.append(_exact(old, cell) if tolerances is None else tolerances.held(old, cell))
    counts = () if tolerances is None else (tolerances.comparisons, tolerances.spread)
    return CheckedTable(now.table, now.scale, exact, tuple(cells), *counts)


def _computed(old: CellBaseline, cell: CellBaseline) -> CheckedCell:
    """What follows from the architecture has no excuse to differ."""
    if old.value == cell.value:
        return CheckedCell(cell.id, "computed", "equal", 0)
    before, now = (math.nan if value is None else value for value in (old.value, cell.value))
    shift = Shift("value", before, now, 0.0, True)
    return CheckedCell(cell.id, "computed", "moved", 0, (shift,), "a computed value changed")


def _exact(old: CellBaseline, cell: CellBaseline) -> CheckedCell:
    """Every bit, for every seed."""
    changes = [text for seed, result in cell.seeds.items() if (text := _other_bits(old.seeds[seed], result))]
    state: CheckedState = "moved" if changes else "equal"
    means = [float(np.mean([c.seeds[seed].score for seed in cell.seeds])) for c in (old, cell)]
    shift = Shift("score", means[0], means[1], 0.0, bool(changes), find_metric(cell.metric))
    of = f"{len(changes)} of {len(cell.seeds)} seeds: " if changes and len(cell.seeds) > 1 else ""
    return CheckedCell(cell.id, "measured", state, len(cell.seeds), (shift,), of + changes[0] if changes else "")


def _other_bits(old: SeedResult, new: SeedResult) -> str:
    """What differs, in words; empty if nothing does."""
    first = next((i for i, (a, b) in enumerate(zip(old.weights, new.weights, strict=False)) if a != b), None)
    trained = ""
    if len(old.weights) != len(new.weights):
        trained = "other trainings"
    elif first is not None:
        of = f" of training {first + 1} of {len(new.weights)}" if len(new.weights) > 1 else ""
        trained = f"the weights{of} differ"
    a, b = old.images.split(), new.images.split()
    images = sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))
    if old.confusion == new.confusion and old.score == new.score:
        return f"{trained}; every prediction is the same" if trained else ""
    if old.confusion == new.confusion:
        measured = "the score differs, the confusion matrices do not"
    else:
        measured = f"the confusion matrices of {images} of {len(b)} images differ"
    return "; ".join(part for part in (trained or "the weights are the same", measured) if part)


class _Tolerances:
    """Tolerances of one table's comparisons."""

    def __init__(self, before: Baseline, now: Baseline) -> None:
        cells = [(old, cell) for cell in now.cells if cell.kind == "measured" and (old := before.cell(cell.id))]
        self.n = max((len(cell.seeds) for _, cell in cells), default=1)
        measured = [cell for cell in before.cells if cell.kind == "measured"]
        kinds = [kind or {} for kind in (before.kind, now.kind)]
        self.precision = str(kinds[1].get("precision"))
        alike = all((k.get("device"), k.get("precision")) == ("cpu", self.precision) for k in kinds)
        own = [_deviations(cell) for cell in measured]
        self.dof = sum(max(len(cell.seeds) - 1, 0) for cell in measured)
        self.mean_loss = _rms([deviation[1] for deviation in own])
        self.scores = {
            name: _rms([d[0] for cell, d in zip(measured, own, strict=True) if cell.metric == name])
            for name in dict.fromkeys(cell.metric for cell in measured)
        }
        self.first_step_losses = [
            _rms([cell.rounding[i] for cell in measured if i < len(cell.rounding)])
            for i in range(max((len(cell.rounding) for cell in measured), default=0))
        ]
        self.rounded = sum(bool(cell.rounding) for cell in measured) if alike else 0
        self.comparisons = 2 * len(cells)
        if self.rounded:
            self.comparisons += sum(len(r.first_step_losses) for _, cell in cells for r in cell.seeds.values())

    @property
    def spread(self) -> dict[str, float]:
        names = {name: "score" if name == MIOU.name else name for name in self.scores}
        spreads = {**{names[name]: spread for name, spread in self.scores.items()}, "mean loss": self.mean_loss}
        return {**spreads, "first-step loss": self.first_step_losses[-1]} if self.rounded else spreads

    def errors(self, dof: int) -> float:
        """How many standard errors are tolerated."""
        return t_quantile(1 - FALSE_ALARMS / (2 * max(self.comparisons, 1)), max(dof, 1))

    def held(self, old: CellBaseline, cell: CellBaseline) -> CheckedCell:
        seeds = [(old.seeds[seed], result) for seed, result in cell.seeds.items()]
        score_deviation, loss_deviation = _deviations(old)
        times = self.errors(self.dof) * math.sqrt(2 / len(seeds))
        metric = find_metric(cell.metric)
        score_before = float(np.mean([a.score for a, _ in seeds]))
        floor = SCORE_FLOOR * (1.0 if metric.is_share else abs(score_before))
        loss_before = float(np.mean([a.mean_loss for a, _ in seeds]))
        shifts = [
            replace(
                _shift(
                    "score",
                    score_before,
                    float(np.mean([b.score for _, b in seeds])),
                    max(times * max(self.scores.get(cell.metric, 0.0), score_deviation), floor),
                ),
                metric=metric,
            ),
            _shift(
                "mean loss",
                loss_before,
                float(np.mean([b.mean_loss for _, b in seeds])),
                max(times * max(self.mean_loss, loss_deviation), MEAN_LOSS_FLOOR * abs(loss_before)),
            ),
            *self._first_steps(seeds),
        ]
        moved = [shift.quantity for shift in shifts if shift.moved]
        same = all(not _other_bits(a, b) for a, b in seeds)
        state: CheckedState = "moved" if moved else "equal" if same else "within"
        return CheckedCell(cell.id, "measured", state, len(seeds), tuple(shifts), _beyond(moved))

    def _first_steps(self, seeds: Sequence[tuple[SeedResult, SeedResult]]) -> list[Shift]:
        """For each training of the chain the seed that moved most."""
        if not self.rounded:
            return []
        shifts = []
        length = min(len(result.first_step_losses) for pair in seeds for result in pair)
        for at in range(length):
            before, now = max(
                ((a.first_step_losses[at], b.first_step_losses[at]) for a, b in seeds), key=lambda p: abs(p[1] - p[0])
            )
            rounding = self.first_step_losses[at] if at < len(self.first_step_losses) else 0.0
            floor = FIRST_STEP_FLOOR.get(self.precision, 1e-2) * abs(before)
            tolerance = max(FIRST_STEP_FACTOR * self.errors(self.rounded) * rounding, floor)
            name = "first-step loss" if at == length - 1 else f"first-step loss of training {at + 1} of {length}"
            shifts.append(_shift(name, before, now, tolerance))
        return shifts


def _shift(quantity: str, before: float, now: float, tolerance: float) -> Shift:
    # "not within" rather than "beyond": what is not a number has moved
    return Shift(quantity, before, now, tolerance, not abs(now - before) <= tolerance)


def _deviations(cell: CellBaseline) -> tuple[float, float]:
    """Standard deviation over seeds of score and mean loss; 0 with one seed."""
    if len(cell.seeds) < 2:
        return 0.0, 0.0
    results = cell.seeds.values()
    return float(np.std([r.score for r in results], ddof=1)), float(np.std([r.mean_loss for r in results], ddof=1))


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values)) if values else 0.0


def _beyond(moved: Sequence[str]) -> str:
    return f"beyond what seeds and rounding explain: {', '.join(moved)}" if moved else ""
