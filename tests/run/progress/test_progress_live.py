from __future__ import annotations

import pytest
import run_story
from rich.console import Console

from repro.run.progress.events import EvaluationDone, TrainingStarted
from repro.run.progress.live import LiveView, cell_text, draw, live, table_in_work, visible
from repro.run.progress.state import CellState, Progress
from repro.run.progress.table_view import CellView, TableView


@pytest.fixture
def clock():
    return run_story.Clock()


def picture(progress, room=40, width=100):
    console = Console(record=True, width=width, file=open("/dev/null", "w"), color_system=None)  # noqa: SIM115
    console.print(draw(progress, room))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_the_picture_after_the_story(clock):
    progress = run_story.begin(clock)
    run_story.tell(progress.apply, clock)
    lines = picture(progress)
    assert lines[0] == "v3/table3: Multi-grid"
    cells = [[part for part in line.split("  ") if part.strip()] for line in lines]
    assert [part.strip() for part in cells[1]] == ["block4", "block5"]
    assert [part.strip() for part in cells[3]] == ["(1, 1, 1)", "71.23", "x"]
    assert [part.strip() for part in cells[4]] == ["(1, 2, 1)", "~", "> 42 %"]
    assert lines[5] == "~ another run   > training   x failed"
    assert "2/4 measured, 1 min so far, about" in lines[6]
    assert lines[7] == "(1, 2, 1), block5  step 84/200  loss 0.457  2.5 s per step"
    assert len(lines) == 8


def test_the_picture_before_anything_and_after_a_training(clock):
    progress = run_story.begin(clock)
    assert "0/4 measured, 0 s so far" in picture(progress)[-1]
    run_story.tell(progress.apply, clock, until=15.0)
    assert picture(progress)[-2].split("  ")[:2] == ["(1, 1, 1), block4", "measuring"]


def test_everything_done_has_no_time_left_and_no_legend(clock):
    progress = run_story.begin(clock)
    for cell_view in run_story.CELLS:
        progress.apply(EvaluationDone(cell_view.evaluations[0], cell_view.trainings[0], {"miou": 0.5}))
    progress.finished.add("first")
    lines = picture(progress)
    assert "left" not in "".join(lines)
    assert "waiting" not in "".join(lines)
    assert lines[-1].endswith("4/4 measured, 0 s so far")


SLOT = CellView(0, 0, "row", "column", 1, (), (), "68.39")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (CellState("fixed"), "68.39"),
        (CellState("waiting", of=1), "·"),
        (CellState("elsewhere", of=1), "~"),
        (CellState("training", of=1, fraction=0.426), "> 43 %"),
        (CellState("training", 2, 5, 0.7, 0.5), "70.0 2/5 > 50 %"),
        (CellState("done", 5, 5, 0.71265, 1.0), "71.3"),
        (CellState("failed", of=1), "x"),
        (CellState("failed", 1, 2, 0.5, 0.5), "50.0 1/2 x"),
    ],
)
def test_what_a_cell_shows(state, text):
    assert cell_text(state, SLOT) == text


def test_many_rows_are_shown_around_the_one_in_work(clock):
    cells = tuple(CellView(row, 0, f"row {row}", "value", 2, (f"e{row}",), (f"t{row}",)) for row in range(50))
    progress = Progress((TableView("long", cells),), {f"t{row}": 1.0 for row in range(50)}, 1, {}, clock)
    for row in range(30):
        progress.apply(EvaluationDone(f"e{row}", f"t{row}", {"miou": 0.5}))
    progress.apply(TrainingStarted("t30", 10))
    lines = picture(progress, room=7)
    assert len(lines) <= 7 + 7  # rows, and what _LINES_AROUND counts plus one training less the prompt
    assert any(line.startswith("row 30") for line in lines)
    assert "rows 28 to 34 of 50" in "".join(lines)


def test_the_window_has_room_rows_with_the_active_one_in_it():
    for count in range(1, 12):
        for active in range(count):
            for room in range(1, 12):
                shown = visible(count, active, room)
                assert len(shown) == min(count, room)
                assert active in shown
                assert shown[0] >= 0
                assert shown[-1] < count


def test_the_board_in_work_is_shown(clock):
    cells = [CellView(0, 0, "row", "", 2, (f"e{n}",), (f"t{n}",)) for n in range(3)]
    progress = Progress([TableView(f"table {n}", (cells[n],)) for n in range(3)], {}, 1, {}, clock)
    assert table_in_work(progress) == 0
    progress.apply(EvaluationDone("e0", "t0", {"miou": 0.5}))
    assert table_in_work(progress) == 1
    progress.apply(TrainingStarted("t2", 10))
    assert table_in_work(progress) == 2
    assert "table 2 (table 3 of 3)" in picture(progress)[0]
    for n in (1, 2):
        progress.apply(EvaluationDone(f"e{n}", f"t{n}", {"miou": 0.5}))
    assert table_in_work(progress) == 2


def test_what_must_not_be_missed_is_written_above_and_the_last_picture_stays(clock):
    progress = run_story.begin(clock)
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=100, height=40, file=nowhere, force_terminal=True)
        with live(progress, console) as view:
            assert isinstance(view, LiveView)
            run_story.tell(view, clock)
        text = console.export_text()
    assert "runs: another run works on this store too." in text
    assert "(1, 1, 1), block5: failed: RuntimeError: the loss is not finite" in text
    assert text.rstrip().endswith("2.5 s per step")


def test_labels_with_brackets_are_not_taken_for_markup(clock):
    cell_view = CellView(0, 0, "[bold]row[/]", "[red]", 2, ("e",), ("t",))
    progress = Progress((TableView("[b]title", (cell_view,)),), {}, 1, {}, clock)
    text = "\n".join(picture(progress))
    assert "[b]title" in text
    assert "[bold]row[/]" in text
    assert "[red]" in text
