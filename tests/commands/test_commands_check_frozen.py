"""What a baseline keeps of frozen weights, beside what the commands' own tests show."""

import math

from repro.commands.check_frozen import _rounded, _widen
from repro.regression.baseline import FrozenProbe, lines_of
from repro.regression.quantity import Exact, Observation, ScoreQuantity


def test_what_must_be_the_same_and_was_not_under_other_rounding_can_be_kept() -> None:
    seen: Observation = {"labels": Exact("a"), "mean IOU": ScoreQuantity(0.5)}
    again: Observation = {"labels": Exact("b"), "mean IOU": ScoreQuantity(0.5123)}
    rounding: dict[str, float] = {}
    _widen(rounding, seen, again)
    assert rounding["labels"] == math.inf
    kept = FrozenProbe(name="x", states=("x",), seen=lines_of(seen), rounding=_rounded(rounding))
    assert kept.rounding == {"mean IOU": 0.012}
