"""What is known of a running plan: each cell's state, what is being trained, how long it will take.

No drawing here: `live.py` draws it on a terminal, `lines.py` tells it line by line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from repro.run.progress.events import (
    EvaluationDone,
    Event,
    Failed,
    Searching,
    Stopped,
    TrainingDone,
    TrainingStarted,
    TrainingStep,
    Waiting,
)
from repro.run.progress.table_view import CellView, TableView


@dataclass(frozen=True)
class CellState:
    """How far a cell is. `done` of `of` seeds are measured, with mean `value` of the cell's metric, where it is at
    hand; `fraction` of the
    work for all of them is done.
    """

    state: Literal["fixed", "waiting", "elsewhere", "training", "done", "failed"]
    done: int = 0
    of: int = 0
    value: float | None = None
    fraction: float = 0.0


@dataclass
class Running:
    """A training that is running."""

    key: str
    iterations: int
    step: int
    resumed_at: int
    started: float  # clock
    loss: float | None = None
    seconds_per_step: float | None = None

    @property
    def fraction(self) -> float:
        return self.step / self.iterations


@dataclass
class Progress:
    """The state after the events so far.

    `costs`: for each training that the run has to do, how long it takes with its evaluations, in any common unit;
    `known`: evaluations that were stored before, with their metrics by name; `workers`: how many trainings run at a
    time.
    """

    table_views: Sequence[TableView]
    costs: Mapping[str, float]
    workers: int
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.running: dict[str, Running] = {}
        self.searching: dict[str, Searching] = {}  # training -> how far the search of an evaluation of it is
        self.measured: dict[str, Mapping[str, float]] = dict(self.known)
        self.failed: dict[str, str] = {}
        self.elsewhere: set[str] = set()
        self.finished: set[str] = set()
        self._seconds_per_cost: list[tuple[float, float]] = []  # (seconds, cost) of what this run has measured
        self._labels = _labels(self.table_views)
        self._training_of = {
            evaluation: training
            for table_view in self.table_views
            for cell_view in table_view.cells
            for evaluation, training in zip(cell_view.evaluations, cell_view.trainings, strict=True)
        }
        self._open: dict[str, set[str]] = {training: set() for training in self._training_of.values()}
        for evaluation, training in self._training_of.items():
            if evaluation not in self.measured:
                self._open[training].add(evaluation)

    def apply(self, event: Event) -> None:
        """Take note of `event`."""
        now = self.clock()
        match event:
            case TrainingStarted():
                self.elsewhere.discard(event.key)
                self.running[event.key] = Running(
                    event.key, event.iterations, event.resumed_at, event.resumed_at, started=now
                )
            case TrainingStep() if event.key in self.running:
                running = self.running[event.key]
                running.step, running.loss, running.seconds_per_step = event.step, event.loss, event.seconds_per_step
            case TrainingDone():
                self._finish_training(event.key)
            case Searching():
                self.searching[event.key] = event
            case EvaluationDone():
                self.searching.pop(event.training, None)
                self.measured[event.key] = event.metrics
                self._open.get(event.training, set()).discard(event.key)
                self._finish_training(event.training)
            case Failed():
                self.failed[event.key] = event.reason
                if event.key in self._training_of:
                    training = self._training_of[event.key]
                    self.searching.pop(training, None)
                    self._open[training].discard(event.key)
                    self._finish_training(training)
                else:
                    self._leave(event.key)
            case Stopped():
                self.searching.pop(event.key, None)
                self.running.pop(event.key, None)
            case Waiting():
                self.elsewhere.add(event.key)

    def _finish_training(self, key: str) -> None:
        """Count `key` as finished if all that is wanted of it is there."""
        running = self.running.get(key)
        if running:
            running.step = running.iterations
        if not self._open.get(key):
            self._leave(key)

    def _leave(self, key: str) -> None:
        self.searching.pop(key, None)
        running = self.running.pop(key, None)
        self.elsewhere.discard(key)
        if key in self.costs:
            self.finished.add(key)
        if running and running.resumed_at == 0 and key in self.costs and key not in self.failed:
            self._seconds_per_cost.append((self.clock() - running.started, self.costs[key]))

    # -- questions

    def label(self, key: str) -> str:
        """Return what to call the training or evaluation `key`: its first cell and its seed."""
        return self._labels.get(key, "pre-training")

    def cell(self, cell_view: CellView) -> CellState:
        """Return the state of `cell_view`."""
        of = len(cell_view.evaluations)
        if of == 0:
            return CellState("fixed")
        measured = [self.measured[key] for key in cell_view.evaluations if key in self.measured]
        name = cell_view.metric.name
        values = [metrics[name] for metrics in measured if name in metrics]
        value = fmean(values) if values else None
        fraction = (len(measured) + sum(self.running[k].fraction for k in self._running_of(cell_view))) / of
        state: Literal["waiting", "elsewhere", "training", "done", "failed"] = "waiting"
        if len(measured) == of:
            state = "done"
        elif any(key in self.failed for key in (*cell_view.evaluations, *cell_view.trainings)):
            state = "failed"
        elif self._running_of(cell_view):
            state = "training"
        elif any(key in self.elsewhere for key in cell_view.trainings):
            state = "elsewhere"
        return CellState(state, len(measured), of, value, fraction)

    def _running_of(self, cell_view: CellView) -> list[str]:
        """Return the trainings of `cell_view` that run, without those that it needs no more."""
        pairs = zip(cell_view.trainings, cell_view.evaluations, strict=True)
        return [
            training for training, evaluation in pairs if training in self.running and evaluation not in self.measured
        ]

    @property
    def evaluations(self) -> tuple[int, int]:
        """How many evaluations are done or failed, and how many there are."""
        settled = [
            evaluation in self.measured or evaluation in self.failed or training in self.failed
            for evaluation, training in self._training_of.items()
        ]
        return sum(settled), len(settled)

    @property
    def fraction(self) -> float:
        """Share of the run's work that is done, in [0, 1]."""
        total = sum(self.costs.values())
        return 1.0 if total == 0 else 1.0 - sum(self._cost_left().values()) / total

    def seconds_left(self) -> float | None:
        """Return an estimate of the time until all is done; None before there is anything to go by.

        The cost still to do at the speed seen so far, shared among the workers; no less than the longest
        training takes by itself.
        """
        seen = list(self._seconds_per_cost)
        for running in self.running.values():
            if running.seconds_per_step is not None:
                steps = max(running.step - running.resumed_at, 1)
                share = steps / running.iterations
                seen.append((running.seconds_per_step * steps, self.costs.get(running.key, 0.0) * share))
        cost_seen = sum(cost for _, cost in seen)
        if cost_seen == 0:
            return None
        rate = sum(seconds for seconds, _ in seen) / cost_seen
        left = self._cost_left()
        return rate * max(sum(left.values()) / self.workers, max(left.values(), default=0.0))

    def _cost_left(self) -> dict[str, float]:
        left = {key: cost for key, cost in self.costs.items() if key not in self.finished}
        for key, running in self.running.items():
            if key in left:
                left[key] *= 1 - running.fraction
        return left


def _labels(table_views: Sequence[TableView]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for table_view in table_views:
        for cell_view in table_view.cells:
            for number, keys in enumerate(zip(cell_view.trainings, cell_view.evaluations, strict=True)):
                seed = f", seed {number}" if len(cell_view.trainings) > 1 else ""
                for key in keys:
                    labels.setdefault(key, cell_view.label + seed)
    return labels


def in_words(seconds: float) -> str:
    """Return a duration as one or two units: ``45 s``, ``3 min``, ``2 h 05 min``."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
