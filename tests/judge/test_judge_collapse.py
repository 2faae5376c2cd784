"""Scores that say nothing are recognised, sound ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.claims import judge
from repro.judge.collapse import collapse, learned_nothing, same_scores
from repro.judge.evidence import Evidence
from repro.spec.claim import Claim
from repro.studies.worlds import table_of

NAMES = ("background", "cat", "dog")


def counts(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        (
            counts((70, 0, 0), (20, 0, 0), (10, 0, 0)),
            "answers “background” on 100.0 % of the pixels (ground truth: 70.0 %)",
        ),
        # 2 other answers for 30 pixels of other classes: fewer than a tenth
        (
            counts((700, 0, 0), (199, 1, 0), (99, 1, 0)),
            "answers “background” on 99.8 % of the pixels (ground truth: 70.0 %)",
        ),
        (counts((0, 0, 70), (0, 0, 20), (0, 0, 10)), "answers “dog” on 100.0 % of the pixels (ground truth: 10.0 %)"),
        (counts((90, 10, 0), (0, 0, 0), (0, 0, 0)), "is scored on a ground truth of one class (background)"),
        (counts((0, 0, 0), (0, 0, 0), (0, 0, 0)), "scores no pixel: the ground truth is void everywhere"),
    ],
)
def test_what_has_collapsed_is_named(matrix: np.ndarray, why: str) -> None:
    assert collapse(matrix, NAMES).startswith(why)


@pytest.mark.parametrize(
    "matrix",
    [
        counts((68, 1, 1), (6, 14, 0), (3, 0, 7)),
        # a ground truth that is nearly all background, answered as it is
        counts((990, 0, 0), (2, 5, 0), (0, 0, 3)),
        # poor, but it answers other classes
        counts((65, 5, 0), (17, 3, 0), (8, 2, 0)),
        # one class is never answered: nothing unusual
        counts((60, 10, 0), (5, 15, 0), (5, 5, 0)),
    ],
)
def test_sound_measurements_are_not_flagged(matrix: np.ndarray) -> None:
    assert collapse(matrix, NAMES) == ""


def test_classes_without_names_have_numbers() -> None:
    assert "“class 1”" in collapse(counts((0, 5), (0, 5)))


def test_scores_that_agree_to_the_last_bit_in_other_trainings() -> None:
    values = {("a", 0): 0.5, ("a", 1): 0.6, ("b", 0): 0.5, ("b", 1): 0.6, ("c", 0): 0.5, ("c", 1): 0.61, ("d", 0): 0.6}
    assert same_scores(values, {"a": "t1", "b": "t2", "c": "t3", "d": "t4"}) == {"a": ("a", "b"), "b": ("a", "b")}
    # one training measured in two ways may well score the same, as a band as wide as the image does
    assert same_scores(values, {"a": "t1", "b": "t1", "c": "t3", "d": "t4"}) == {}


def test_a_training_without_labelled_pixels_has_a_loss_of_exactly_zero() -> None:
    assert learned_nothing([0.0, 0.0, 0.0])
    assert not learned_nothing([0.7, 0.0, 0.0])
    assert not learned_nothing([])


def test_a_collapsed_cell_decides_no_claim_and_the_others_are_judged_as_before() -> None:
    noise = (0.004, -0.003, 0.001, -0.004, 0.002)
    values = {(f"made/up/{k}", s): 0.4 + 0.1 * k + noise[(s + k) % 5] for k in range(3) for s in range(5)}
    claims = [
        Claim(id=f"made.c{k}", text="better", kind="greater", left={"width": k}, right={"width": 1}) for k in (0, 2)
    ]
    asked = [(claim, table_of(3)) for claim in claims]
    sound = judge(asked, Evidence(values))
    assert [one.verdict for one in sound] == ["contradicted", "supported"]
    fallen = judge(asked, Evidence(values, collapsed={"made/up/0": "net 0 answers “background” everywhere"}))
    assert [one.verdict for one in fallen] == ["inconclusive", "supported"]
    assert (fallen[0].p, fallen[0].q) == (None, None)
    assert fallen[0].sentence.startswith("Inconclusive: ")
    assert "but net 0 answers “background” everywhere: such a score decides nothing." in fallen[0].sentence
    assert (fallen[1].p, fallen[1].tests) == (sound[1].p, 1)
