"""A kind of claim of one's own: the worked example of docs/extending.md, read, audited and judged."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from repro.judge.claims import judge
from repro.judge.evidence import Evidence
from repro.judge.published import audit
from repro.judge.result import ClaimResult
from repro.spec.claim import Claim
from repro.spec.claim_kinds import KINDS
from repro.studies.worlds import table_of

PAGE = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("\n## A kind of claim\n") :]
NOISE = (0.004, -0.003, 0.001, -0.004, 0.002)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    module: dict[str, Any] = {}
    exec(compile(block("python"), "alike.py", "exec"), module)
    monkeypatch.setitem(KINDS, "alike", module["ALIKE"])


def claim(**changes: Any) -> Claim:
    return Claim(**{**tomllib.loads(block("toml")), **changes})


def judged(*means: float, **changes: Any) -> ClaimResult:
    values = {(f"made/up/{k}", s): m + NOISE[(s + k) % 5] for k, m in enumerate(means) for s in range(5)}
    return judge([(claim(**changes), table_of(3))], Evidence(values))[0]


def test_three_cells_are_three_pairs_and_the_farthest_decides() -> None:
    near = judged(0.50, 0.502, 0.498)
    assert near.verdict == "supported"
    assert "the farthest pair of 3, " in near.sentence
    far = judged(0.50, 0.50, 0.56)
    assert far.verdict == "contradicted"
    assert far.effect is not None
    assert abs(far.effect.value) == pytest.approx(6.0)  # points


def test_its_parameter_moves_the_bar() -> None:
    assert judged(0.50, 0.50, 0.56, spread=9).verdict == "supported"


def test_printed_numbers_are_put_to_it_too() -> None:
    cells = [replace(cell, published=value) for cell, value in zip(table_of(3), (70.0, 70.5, 71.9), strict=True)]
    result = audit(claim(), cells)
    assert (result.status, len(result.effects)) == ("holds", 3)
    assert "from a difference of 2.00 points" in result.note
    assert audit(claim(spread=1.0), cells).status == "fails"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spread": "wide"}, "spread: "),
        ({"left": {}}, 'kind "alike" does not use `left`. Remove it.'),
        ({"kind": "best", "left": {}, "among": {}}, "spread"),
    ],
)
def test_what_it_does_not_take_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        claim(**changes)


def test_what_it_needs_must_be_there() -> None:
    fields = tomllib.loads(block("toml"))
    del fields["spread"]
    with pytest.raises(ValidationError, match='kind "alike" needs `spread`'):
        Claim(**fields)
