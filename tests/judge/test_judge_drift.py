"""Bits where they must agree, tolerances where they can't: rates of false alarms by simulation, floors, words."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.baseline import Baseline, CellBaseline, SeedResult
from repro.judge.drift import FALSE_ALARMS, SCORE_FLOOR, check

KIND = {"cpu": "One", "vector": "avx2", "device": "cpu", "precision": "float32"}
OTHER = {**KIND, "cpu": "Two"}


def result(score=0.5, mean_loss=1.0, first_step_losses=(0.7, 2.2), confusion="c", images="a b c", weights=("w", "v")):
    return SeedResult(
        score=score,
        mean_loss=mean_loss,
        first_step_losses=first_step_losses,
        confusion=confusion,
        images=images,
        weights=weights,
    )


def baseline(cells, kind=KIND):
    made = [cell if isinstance(cell, CellBaseline) else measured(i, cell) for i, cell in enumerate(cells)]
    return Baseline(
        table="t", scale="smoke", made="", commit=None, kind=kind, environment={}, code={}, protocol={}, cells=made
    )


def measured(number, results, rounding=(0.0, 0.003)):
    return CellBaseline(id=f"t/{number}", kind="measured", seeds=dict(enumerate(results)), rounding=rounding)


def drawn(rng, cells, seeds, score_deviation=0.01, course_deviation=0.02):
    """Independent draws for every cell and seed: the worst that seeds explain."""
    return [
        [
            result(0.5 + score_deviation * rng.normal(), 1.0 + course_deviation * rng.normal(), weights=(str(s), "v"))
            for s in range(seeds)
        ]
        for _ in range(cells)
    ]


def test_the_same_kind_of_machine_has_the_same_bits():
    assert check(baseline([[result()]]), baseline([[result()]])).passed
    for other, words in (
        (result(weights=("w", "x")), "the weights of training 2 of 2 differ; every prediction is the same"),
        (result(confusion="d", images="a x y"), "the weights are the same; the confusion matrices of 2 of 3 images"),
        (result(score=0.5 + 1e-16 * 2), "the score differs, the confusion matrices do not"),
    ):
        found = check(baseline([[result()]]), baseline([[other]]))
        assert found.exact
        assert [cell.state for cell in found.cells] == ["moved"]
        assert words in found.cells[0].detail
        elsewhere = check(baseline([[result()] * 3]), baseline([[other]], OTHER))
        assert [cell.state for cell in elsewhere.cells] == ["within"]


def test_one_of_several_seeds_is_enough():
    found = check(baseline([[result(), result()]]), baseline([[result(), result(confusion="d", images="x b c")]]))
    assert "1 of 2 seeds: the weights are the same; the confusion matrices of 1 of 3 images" in found.cells[0].detail


def test_a_gpu_is_never_held_to_bits():
    gpu = {**KIND, "device": "cuda", "gpu": "H"}
    assert not check(baseline([[result()] * 2], gpu), baseline([[result()]], gpu)).exact


def test_computed_cells_are_exact_on_any_machine():
    def cells(value):
        return baseline([CellBaseline(id="t/c", kind="computed", value=value)], OTHER)

    assert check(cells(81.02), cells(81.02)).passed
    found = check(cells(81.02), cells(81.02 + 1e-12))
    assert [cell.state for cell in found.cells] == ["moved"]
    assert [cell.state for cell in check(cells(81.02), cells(None)).cells] == ["moved"]


def test_a_failed_cell_is_neither_equal_nor_moved():
    found = check(baseline([[result()]]), baseline([[]]), {"t/0": "out of memory"})
    assert [cell.state for cell in found.cells] == ["failed"]
    assert found.cells[0].detail == "out of memory"
    assert not found.passed


@pytest.mark.parametrize(("cells", "seeds"), [(20, 1), (20, 3), (4, 3), (2, 3)])
def test_tables_of_other_seeds_alarm_as_rarely_as_promised(cells, seeds):
    # Worse than any machine: not a single bit in common with the baseline's runs of the same seed.
    rng = np.random.default_rng(0)
    rounds = 600
    alarms = 0
    for _ in range(rounds):
        before, now = baseline(drawn(rng, cells, 3)), baseline(drawn(rng, cells, seeds), OTHER)
        alarms += not check(before, now).passed
    # the first-step losses of these draws never differ; binomial, 3 standard deviations above the promised rate
    assert alarms / rounds <= FALSE_ALARMS + 3 * np.sqrt(FALSE_ALARMS * (1 - FALSE_ALARMS) / rounds)


def test_a_shift_of_many_deviations_is_found():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        now = [[result(r.score - 0.06, r.mean_loss) for r in cell] for cell in drawn(rng, 20, 3)]
        found += not check(baseline(drawn(rng, 20, 3)), baseline(now, OTHER)).passed
    assert found >= 99


def test_seeds_that_happen_to_agree_leave_the_floor():
    still = [[result(mean_loss=1.0)] * 3]
    for shift, state in ((0.9 * SCORE_FLOOR, "within"), (1.1 * SCORE_FLOOR, "moved")):
        moved = check(baseline(still), baseline([[result(0.5 + shift, confusion="d")]], OTHER))
        assert [cell.state for cell in moved.cells] == [state]


def test_first_step_losses_are_held_to_what_rounding_was_seen_to_change():
    before = baseline([[result()] * 3] * 4)
    first = check(before, baseline([[result(first_step_losses=(0.7, 2.21))]] * 4, OTHER))
    assert first.passed
    found = check(before, baseline([[result(first_step_losses=(0.7, 2.35))]] * 4, OTHER))
    assert [shift.quantity for shift in found.cells[0].moved] == ["first-step loss"]
    # a pre-training's first-step loss hangs on one forward pass alone: rounding was seen to change nothing
    found = check(before, baseline([[result(first_step_losses=(0.701, 2.2))]] * 4, OTHER))
    assert [shift.quantity for shift in found.cells[0].moved] == ["first-step loss of training 1 of 2"]
    half = {**OTHER, "precision": "bfloat16"}
    assert check(before, baseline([[result(first_step_losses=(0.701, 2.35))]] * 4, half)).passed


def test_what_is_no_number_has_moved():
    before = baseline([[result()] * 3])
    nan = result().model_copy(update={"mean_loss": float("nan")})
    assert not check(before, baseline([[nan]], OTHER)).passed
