"""Claims are counted apart by what decides them."""

from __future__ import annotations

import math

from repro.judge.agreement import CellCounts, agreement, headline
from repro.judge.claims import judge
from repro.judge.evidence import Evidence
from repro.judge.result import ClaimResult, Verdict
from repro.judge.scorecard import Scorecard, scorecard, sentences
from repro.spec.load import load_suite


def _judged(table: str, computed: bool = True) -> tuple[ClaimResult, ...]:
    """The claims of a table whose computed cells come out as printed and of which nothing was measured."""
    suite = load_suite(None)
    spec = suite.find(table)
    cells = [c for c in spec.cells() if c.kind == "computed" and c.published is not None]
    values = {c.id: c.published for c in cells if c.published is not None} if computed else {}
    return judge([(claim, suite.cells_of(claim, spec)) for claim in spec.claims], Evidence({}, values))


def test_multiply_adds_do_not_vouch_for_networks() -> None:
    claims = _judged("v3plus/table5")
    card = scorecard(claims)
    assert card.measured == {"not run": sum(c.metric == "miou" and c.testable for c in claims)}
    assert card.computed == {"supported": sum(c.metric == "multiply_adds" for c in claims)}
    assert card.printed == sum(not c.testable for c in claims) > 0
    assert sum(card.measured.values()) + sum(card.computed.values()) + card.printed == len(claims)
    said = headline(agreement([], Evidence({}), "smoke"), claims, CellCounts(measurable=20))
    assert said.startswith(f"None of {card.measured['not run']} measurable claims has been run. Of ")
    assert "about computed figures" in said


def test_each_basis_has_its_own_sentence() -> None:
    card = Scorecard({"supported": 2, "inconclusive": 1, "not run": 3}, {"supported": 3, "contradicted": 1}, 2)
    assert sentences(card) == [
        "Of 3 measured claims, 2 are supported, 0 contradicted, 1 inconclusive (3 not run).",
        "Of 4 claims about computed figures: 3 supported, 1 contradicted.",
        "2 claims rest on printed numbers alone: nothing here decides that.",
    ]
    assert sentences(Scorecard()) == []
    assert sentences(Scorecard(printed=1)) == ["1 claim rests on printed numbers alone: nothing here decides that."]


def test_what_rests_on_quoted_numbers_is_printed_only() -> None:
    (claim,) = _judged("v3plus/table7b")
    assert (claim.basis, claim.testable, claim.published.basis) == ("printed", False, "printed")
    assert math.isnan(agreement([], Evidence({}), "smoke").tau.value)


def test_what_holds_on_average_only_is_told_with_where_it_comes_from() -> None:
    """A mean whose pairs differ is never counted as supported without that."""
    average: dict[Verdict, tuple[str, ...]] = {"supported on average": ("v3.t3.c1, carried by block4",)}
    card = Scorecard({"supported": 2, "supported on average": 1, "inconclusive": 4}, averages=average)
    assert sentences(card) == [
        "Of 7 measured claims, 2 are supported, 1 supported on average only (v3.t3.c1, carried by block4), "
        "0 contradicted, 4 inconclusive."
    ]
