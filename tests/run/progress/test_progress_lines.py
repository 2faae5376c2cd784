from __future__ import annotations

import pytest
import run_story

from repro.run.progress.events import EvaluationDone, Stopped, TrainingDone, TrainingStep
from repro.run.progress.lines import Lines, speed


@pytest.fixture
def clock():
    return run_story.Clock()


def test_the_story_in_lines(clock):
    lines = []
    run_story.tell(Lines(run_story.begin(clock), lines.append), clock)
    assert lines == [
        "pre-training: trained in 5 s",
        "runs: another run works on this store too.",
        "(1, 2, 1), block4: left to the other run",
        "(1, 1, 1), block4: trained in 9 s",
        # 15 s for 15 units; the other three have 2.5, 10 and 10 units left, two at a time
        "[1/4] (1, 1, 1), block4: mIOU 71.23 %; about 11 s left",
        "(1, 1, 1), block5: failed: RuntimeError: the loss is not finite",
        # 225 s for 19.2 units, the slow steps counted; one training of 10 units is all to be done
        "(1, 2, 1), block5: step 84/200, loss 0.457, 2.5 s per step; about 2 min left",
    ]


def test_results_of_another_run_are_told_without_its_training(clock):
    lines = []
    listener = Lines(run_story.begin(clock), lines.append)
    listener(TrainingDone("t10", 9.0))
    listener(EvaluationDone("e10", "t10", {"miou": 0.5}))
    assert lines == ["[1/4] (1, 2, 1), block4: mIOU 50.00 %"]


def test_steps_are_told_only_now_and_then(clock):
    lines = []
    listener = Lines(run_story.begin(clock), lines.append)
    run_story.tell(listener, clock, until=1.0)
    for second in range(1, 100):
        clock.now = float(second)
        listener(TrainingStep("first", second, 0.5, 1.0))
    assert len(lines) == 3
    assert all(line.startswith("pre-training: step") for line in lines)


def test_a_stop_says_how_to_go_on(clock):
    lines = []
    Lines(run_story.begin(clock), lines.append)(Stopped("t00"))
    assert lines == ["(1, 1, 1), block4: stopped; the same command goes on from its checkpoint"]


def test_speed_is_told_in_the_unit_that_reads_well():
    assert (speed(0.025), speed(2.5)) == ("40.0 steps/s", "2.5 s per step")
