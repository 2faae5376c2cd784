"""`holds` of every claim against a plain evaluation on the printed numbers.

Selection, pairing and comparison are written here once more, from the words of `repro.spec.claim`, without the code
under test: nested loops over cells, no tolerance but for binary fractions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from repro.spec.claim import Claim
from repro.spec.load import Suite, load_suite
from repro.spec.table import Cell, TableSpec

SUITE = load_suite()
CLAIMS: list[tuple[str, TableSpec | None, Claim]] = [
    *((c.id, t, c) for t in SUITE.tables.values() for c in t.claims if c.kind != "text"),
    *((c.id, None, c) for p in SUITE.papers.values() for c in p.claims if c.kind != "text"),
]
EPS = 1e-9


def as_tuple(value: Any) -> Any:
    return tuple(as_tuple(v) for v in value) if isinstance(value, list | tuple) else value


def get(cell: Cell, key: str) -> Any:
    labels = {"row": cell.row_label, "column": cell.column_label, "table": cell.table, "metric": cell.metric}
    if key in labels:
        return labels[key]
    return next((v for k, v in cell.settings.items() if k == key or k.endswith("." + key)), "absent")


def fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict) and "any" in wanted:
        return as_tuple(value) in [as_tuple(w) for w in wanted["any"]]
    if isinstance(wanted, dict) and "not" in wanted:
        return not fits(value, wanted["not"])
    return bool(as_tuple(value) == as_tuple(wanted))


def pick(cells: list[Cell], selector: dict[str, Any]) -> list[Cell]:
    return [c for c in cells if all(fits(get(c, k), w) for k, w in selector.items())]


def score(cell: Cell) -> float:
    assert cell.published is not None
    return cell.published


def paired(cells: list[Cell], left: dict[str, Any], right: dict[str, Any]) -> list[tuple[Cell, Cell]]:
    """Where rows are named, pairs stand in one column; where columns are, in one row; else all else is equal."""
    lefts, rights = pick(cells, left), pick(cells, right)
    if len(lefts) == len(rights) == 1:
        return [(lefts[0], rights[0])]
    out = []
    for a in lefts:
        for b in rights:
            if "row" in left:
                same = a.column_label == b.column_label
            elif "column" in left:
                same = a.row_label == b.row_label
            else:
                named = {k for k in a.settings for n in (*left, *right) if k == n or k.endswith("." + n)}
                same = all(a.settings[k] == b.settings[k] for k in a.settings if k not in named)
            if same:
                out.append((a, b))
    return out


def bears_out(claim: Claim, table: TableSpec | None) -> bool:
    tables = claim.tables() or ({table.id} if table else set())
    cells = [c for i in sorted(tables) for c in SUITE.tables[i].cells() if c.metric == claim.metric]
    cells = pick(cells, claim.where)
    if claim.kind == "best":
        best = pick(cells, claim.left)
        rest = [c for c in pick(cells, claim.among or {}) if c not in best]
        assert best
        assert rest
        return all(score(b) > score(r) + claim.margin for b in best for r in rest)
    if claim.kind == "monotone":
        assert claim.along
        lines: dict[Any, list[Cell]] = {}
        for cell in cells:
            others = tuple(v for k, v in sorted(cell.settings.items()) if not k.endswith("." + claim.along))
            lines.setdefault(others, []).append(cell)
        sign = 1 if claim.direction == "increasing" else -1
        if claim.over == "mean":
            sorted_lines = [sorted(line, key=lambda c: get(c, claim.along or "")) for line in lines.values()]
            means = [sum(map(score, place)) / len(place) for place in zip(*sorted_lines, strict=True)]
            return all(sign * (b - a) > claim.margin for a, b in pairwise(means))
        for line in lines.values():
            assert len(line) > 1
            line.sort(key=lambda c: get(c, claim.along or ""))
            if not all(sign * (score(b) - score(a)) > claim.margin for a, b in pairwise(line)):
                return False
        return True
    found = paired(cells, claim.left, claim.right)
    assert found
    low = float("-inf") if claim.low is None else claim.low
    high = float("inf") if claim.high is None else claim.high
    differences = [score(a) - score(b) for a, b in found]
    if claim.over == "mean" and claim.kind != "largest-gain-at":
        assert claim.kind in ("greater", "gain")
        differences = [sum(differences) / len(differences)]
    if claim.kind == "greater":
        return all(d > claim.margin + EPS for d in differences)
    if claim.kind == "gain":
        return all(low - EPS <= d <= high + EPS for d in differences)
    if claim.kind == "ratio":
        return all(low <= score(a) / score(b) <= high for a, b in found)
    if claim.kind == "equal":
        return all(abs(d) <= (claim.tolerance or 0) + EPS for d in differences)
    assert claim.kind == "largest-gain-at"
    gains: dict[Any, dict[Any, float]] = {}
    for (a, b), d in zip(found, differences, strict=True):
        moving = {k for k in a.settings if a.settings[k] != b.settings[k] or k.endswith(f".{claim.along}")}
        curve = tuple(sorted((k, v) for k, v in a.settings.items() if k not in moving))
        gains.setdefault(str(curve), {})[get(a, claim.along or "")] = d
    if claim.over == "mean":
        every = next(iter(gains.values()))
        gains = {"mean": {place: sum(g[place] for g in gains.values()) / len(gains) for place in every}}
    for places in gains.values():
        at = [place for place in places if fits(place, claim.at)]
        if max(places, key=lambda p: places[p]) not in at:
            return False
    return True


@pytest.mark.parametrize(("name", "table", "claim"), CLAIMS, ids=[c[0] for c in CLAIMS])
def test_holds_is_what_the_printed_numbers_say(name: str, table: TableSpec | None, claim: Claim) -> None:
    if claim.holds is None:
        assert name.startswith(("pitfalls.", "implementations."))
        return
    assert bears_out(claim, table) == claim.holds


def test_paper_level_claims_pick_cells(suite: Suite) -> None:
    for paper in suite.papers.values():
        for claim in paper.claims:
            suite.check_claim(claim, None, claim.id)


def test_what_is_known_to_fail_is_declared_so(suite: Suite) -> None:
    failing = {c.id for t in suite.tables.values() for c in t.claims if c.holds is False}
    assert failing == {"v3.t3.c2.shallow", "v3.t3.c3.doubled", "v2.f10.c1.narrow"}


def test_an_untestable_claim_says_why(suite: Suite) -> None:
    for owner in (*suite.tables.values(), *suite.papers.values()):
        for claim in owner.claims:
            assert bool(claim.why) == (claim.kind == "text"), claim.id
