"""The events of a small run, as they were recorded: two rows, two columns, one pre-training, one failure."""

from __future__ import annotations

from repro.run.progress.events import (
    EvaluationDone,
    Failed,
    Message,
    TrainingDone,
    TrainingStarted,
    TrainingStep,
    Waiting,
)
from repro.run.progress.state import Progress
from repro.run.progress.table_view import CellView, TableView

ROWS = ("(1, 1, 1)", "(1, 2, 1)")
CELLS = tuple(
    CellView(row, column, ROWS[row], f"block{column + 4}", 2, (f"e{row}{column}",), (f"t{row}{column}",))
    for row in range(2)
    for column in range(2)
)
TABLE_VIEW = TableView("v3/table3: Multi-grid", CELLS)
COSTS = {"first": 5.0, **{cell_view.trainings[0]: 10.0 for cell_view in CELLS}}

# (time in seconds, event)
STORY = (
    (1.0, TrainingStarted("first", 100)),
    (2.0, TrainingStep("first", 40, 1.2345, 0.05)),
    (6.0, TrainingDone("first", 5.0)),
    (6.0, TrainingStarted("t00", 200)),
    (6.5, TrainingStarted("t01", 200, 150)),
    (7.0, Message("runs: another run works on this store too.")),
    (7.0, Waiting("t10")),
    (15.0, TrainingDone("t00", 9.0)),
    (16.0, EvaluationDone("e00", "t00", {"miou": 0.71234})),
    (17.0, Failed("t01", "RuntimeError: the loss is not finite")),
    (17.5, TrainingStarted("t11", 200)),
    (60.0, TrainingStep("t11", 84, 0.4567, 2.5)),
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tell(listener, clock, until=float("inf")):
    """Let the listener hear the story up to a time."""
    for time, event in STORY:
        if time <= until:
            clock.now = time
            listener(event)


def begin(clock):
    """Return the state before the story."""
    return Progress((TABLE_VIEW,), COSTS, 2, {}, clock)
