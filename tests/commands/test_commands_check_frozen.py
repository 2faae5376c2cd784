"""What a baseline keeps of frozen weights, beside what the commands' own tests show."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from repro.commands.check_frozen import _rounded, _widen
from repro.commands.run import compute
from repro.regression.baseline import FrozenProbe, lines_of
from repro.regression.quantity import Exact, Observation, ScoreQuantity
from repro.run.executors import loop
from repro.run.executors.job_queue import Outcome
from repro.run.executors.order import Work
from repro.run.progress.events import Computed, Failed, Waiting
from repro.store.store import Store


def test_what_must_be_the_same_and_was_not_under_other_rounding_can_be_kept() -> None:
    seen: Observation = {"labels": Exact("a"), "mean IOU": ScoreQuantity(0.5)}
    again: Observation = {"labels": Exact("b"), "mean IOU": ScoreQuantity(0.5123)}
    rounding: dict[str, float] = {}
    _widen(rounding, seen, again)
    assert rounding["labels"] == math.inf
    kept = FrozenProbe(name="x", states=("x",), seen=lines_of(seen), rounding=_rounded(rounding))
    assert kept.rounding == {"mean IOU": 0.012}


def test_a_step_whose_process_died_fails_with_the_reason_and_as_no_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_work: Any, _executor: Any, listener: Any) -> Outcome:
        listener(Waiting("frozen-1"))
        listener(Failed("frozen-1", "its worker process was killed by SIGKILL"))
        return Outcome((), {"frozen-1": "its worker process was killed by SIGKILL"}, (), interrupted=False)

    monkeypatch.setattr(loop, "run", run)
    plan: Any = SimpleNamespace(request=SimpleNamespace(tables=()), evaluations={})
    executor: Any = SimpleNamespace(slots=lambda: 1)
    taken: list[Computed] = []
    code = compute(plan, [], Store(tmp_path), executor, [Work("frozen-1", None, cost=0.0)], taken.append)
    assert taken == [Computed("frozen-1", "its worker process was killed by SIGKILL")]
    assert code == 0
    assert "training" not in capsys.readouterr().err
