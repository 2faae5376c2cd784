from __future__ import annotations

import pytest

from repro.run.progress.events import (
    EvaluationDone,
    Failed,
    Stopped,
    TrainingDone,
    TrainingStarted,
    TrainingStep,
    Waiting,
)
from repro.run.progress.state import CellState, Progress, in_words
from repro.run.progress.table_view import CellView, TableView


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def cell_view(row, column, seeds=1, training=None):
    name = f"{row}{column}"
    return CellView(
        row, column, f"row {row}", f"column {column}", 2,
        tuple(f"e{name}-{seed}" for seed in range(seeds)),
        tuple(training or f"t{name}-{seed}" for seed in range(seeds)),
    )  # fmt: skip


@pytest.fixture
def clock():
    return Clock()


def progress(clock, cells, costs, workers=1, known=()):
    return Progress([TableView("a table", tuple(cells))], costs, workers, dict(known), clock)


def test_a_cell_goes_through_its_states(clock):
    one = cell_view(0, 0)
    state = progress(clock, [one], {"t00-0": 1.0})
    assert state.cell(one) == CellState("waiting", 0, 1, None, 0.0)
    state.apply(Waiting("t00-0"))
    assert state.cell(one).state == "elsewhere"
    state.apply(TrainingStarted("t00-0", 200, 50))
    assert state.cell(one) == CellState("training", 0, 1, None, 0.25)
    state.apply(TrainingStep("t00-0", 100, 0.5, 0.1))
    assert state.cell(one).fraction == 0.5
    state.apply(TrainingDone("t00-0", 20.0))
    assert state.cell(one) == CellState("training", 0, 1, None, 1.0)
    state.apply(EvaluationDone("e00-0", "t00-0", {"miou": 0.7123}))
    assert state.cell(one) == CellState("done", 1, 1, 0.7123, 1.0)
    assert state.running == {}
    assert state.evaluations == (1, 1)


def test_seeds_are_averaged_and_counted(clock):
    one = cell_view(0, 0, seeds=4)
    state = progress(clock, [one], {key: 1.0 for key in one.trainings}, known={"e00-0": {"miou": 0.5}})
    assert state.cell(one) == CellState("waiting", 1, 4, 0.5, 0.25)
    state.apply(EvaluationDone("e00-1", "t00-1", {"miou": 0.7}))
    state.apply(TrainingStarted("t00-2", 100, 50))
    seen = state.cell(one)
    assert (seen.state, seen.done, seen.of, seen.fraction) == ("training", 2, 4, 0.625)
    assert seen.value == pytest.approx(0.6)


def test_a_training_with_several_evaluations_runs_until_the_last(clock):
    cells = [cell_view(0, 0, training="t"), cell_view(1, 0, training="t")]
    state = progress(clock, cells, {"t": 1.0})
    state.apply(TrainingStarted("t", 10))
    state.apply(TrainingDone("t", 1.0))
    state.apply(EvaluationDone("e00-0", "t", {"miou": 0.5}))
    assert [state.cell(one).state for one in cells] == ["done", "training"]
    assert state.fraction < 1 or "t" in state.running
    state.apply(EvaluationDone("e10-0", "t", {"miou": 0.6}))
    assert state.running == {}
    assert state.fraction == 1.0


def test_failures_of_trainings_and_of_evaluations(clock):
    cells = [cell_view(0, 0, training="t"), cell_view(1, 0, training="t"), cell_view(2, 0)]
    state = progress(clock, cells, {"t": 1.0, "t20-0": 1.0})
    state.apply(TrainingStarted("t", 10))
    state.apply(TrainingDone("t", 1.0))
    state.apply(Failed("e00-0", "no images"))
    state.apply(EvaluationDone("e10-0", "t", {"miou": 0.6}))
    assert state.running == {}
    state.apply(TrainingStarted("t20-0", 10))
    state.apply(Failed("t20-0", "killed"))
    assert [state.cell(one).state for one in cells] == ["failed", "done", "failed"]
    assert state.evaluations == (3, 3)
    assert state.fraction == 1.0
    assert state.running == {}


def test_a_stopped_training_waits_again(clock):
    one = cell_view(0, 0)
    state = progress(clock, [one], {"t00-0": 1.0})
    state.apply(TrainingStarted("t00-0", 10))
    state.apply(Stopped("t00-0"))
    assert state.cell(one).state == "waiting"


def test_cells_without_evaluations_are_fixed(clock):
    fixed = CellView(0, 0, "row", "", 2, (), (), "68.39")
    assert progress(clock, [fixed], {}).cell(fixed) == CellState("fixed")
    assert fixed.label == "row"


def test_names(clock):
    state = progress(clock, [cell_view(0, 0, seeds=2), cell_view(1, 1)], {})
    assert state.label("t00-1") == state.label("e00-1") == "row 0, column 0, seed 1"
    assert state.label("t11-0") == "row 1, column 1"
    assert state.label("presence") == "pre-training"


def test_time_left_is_unknown_then_from_speed_then_from_what_is_finished(clock):
    cells = [cell_view(row, 0) for row in range(4)]
    state = progress(clock, cells, {f"t{row}0-0": 10.0 for row in range(4)}, workers=2)
    assert state.seconds_left() is None
    state.apply(TrainingStarted("t00-0", 100))
    assert state.seconds_left() is None
    # A tenth of 10 units in 10 steps of 0.2 s: 0.2 s per ... 2 s per unit; 39 units left, two at a time.
    state.apply(TrainingStep("t00-0", 10, 1.0, 0.2))
    assert state.seconds_left() == pytest.approx(2.0 * 39 / 2)
    clock.now += 30
    state.apply(TrainingDone("t00-0", 30.0))
    state.apply(EvaluationDone("e00-0", "t00-0", {"miou": 0.5}))
    assert state.seconds_left() == pytest.approx(3.0 * 30 / 2)
    assert state.fraction == pytest.approx(0.25)


def test_the_longest_training_bounds_the_time_left(clock):
    state = progress(clock, [], {"short": 1.0, "long": 100.0}, workers=8)
    state.apply(TrainingStarted("short", 10))
    clock.now += 2
    state.apply(TrainingDone("short", 2.0))
    assert state.seconds_left() == pytest.approx(200.0)


def test_a_resumed_training_says_nothing_of_a_whole_one(clock):
    state = progress(clock, [cell_view(0, 0), cell_view(1, 0)], {"t00-0": 10.0, "t10-0": 10.0})
    state.apply(TrainingStarted("t00-0", 100, 99))
    clock.now += 1
    state.apply(TrainingDone("t00-0", 60.0))
    state.apply(EvaluationDone("e00-0", "t00-0", {"miou": 0.5}))
    assert state.seconds_left() is None


def test_results_of_another_run_count_as_done(clock):
    one = cell_view(0, 0)
    state = progress(clock, [one], {"t00-0": 1.0, "presence": 1.0})
    state.apply(Waiting("presence"))
    state.apply(TrainingDone("presence", 5.0))
    state.apply(TrainingDone("t00-0", 5.0))
    state.apply(EvaluationDone("e00-0", "t00-0", {"miou": 0.5}))
    assert state.fraction == 1.0
    assert state.elsewhere == set()
    assert state.cell(one).state == "done"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.9, "1 min"), (60, "1 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words
