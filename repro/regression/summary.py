"""A check from frozen weights in words: what moved first, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from repro.regression.compare import Comparison, FrozenResult, ProbeResult
from repro.report.formats.junit import Case, TestSuite
from repro.report.formats.markdown import rows as table_rows
from repro.report.formats.markdown import text

HEADINGS = ("first place that differs", "in", "for example", "difference", "tolerated", "what agrees before it")
SHOWN = 10
"""Rows of a Markdown summary."""
WORDS = 120
"""Characters of settings that a row shows."""


def headline(result: FrozenResult) -> str:
    """One line: how many steps and evaluations moved."""
    probes, name = len(result.probes), f"{result.table} at {result.scale}, from frozen weights"
    told = [f"{result.count('failed')} of {probes} steps and evaluations failed"] if result.count("failed") else []
    if result.count("moved"):
        told.append(f"{result.count('moved')} of {probes} steps and evaluations moved by more than rounding")
    if told:
        return f"{name}: {'; '.join(told)}."
    return f"{name}: all {probes} steps and evaluations agree ({result.comparisons} comparisons)."


def first_places(result: FrozenResult) -> list[tuple[str, ...]]:
    """A row for each place where steps or evaluations begin to differ, the commonest first; then for each failure."""
    groups: dict[str, list[ProbeResult]] = {}
    for probe in result.probes:
        if probe.first is not None:
            groups.setdefault(probe.first.quantity, []).append(probe)
    found: list[tuple[str, ...]] = []
    for place, probes in sorted(groups.items(), key=lambda item: -len(item[1])):
        worst = max(probes, key=_first_distance)
        first, before = worst.first, worst.before
        assert first is not None
        earlier = before.quantity if before else "nothing"
        found.append((place, str(len(probes)), worst.name, difference(first), tolerated(first), earlier))
    failures = [probe for probe in result.probes if probe.failure]
    found += [("failed", "1", probe.name, probe.failure, "", "") for probe in failures]
    return found


def _first_distance(probe: ProbeResult) -> float:
    distance = probe.first.distance if probe.first else 0.0
    return math.inf if math.isnan(distance) else distance


def difference(one: Comparison) -> str:
    """How far a quantity moved."""
    if one.detail:
        return one.detail if len(one.detail) <= WORDS else one.detail[:WORDS] + "…"
    if one.cosine is None:
        return f"{one.distance:.0f} pixels" if one.distance >= 1 else f"{one.distance:.2g}"
    return f"{_share(one.distance)}, cosine {one.cosine:.4f}"


def tolerated(one: Comparison) -> str:
    """How far it may."""
    if not one.tolerance:
        return "none"
    if one.cosine is None:
        return f"{one.tolerance:.0f} pixels" if one.tolerance >= 1 else f"{one.tolerance:.2g}"
    return _share(one.tolerance)


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def blocks(result: FrozenResult) -> list[str]:
    """Markdown."""
    found = [text(headline(result))]
    if places := first_places(result):
        shown = [tuple(text(part) or " " for part in row) for row in places[:SHOWN]]
        found.append(table_rows(HEADINGS, shown, numeric=(1,)))
        if len(places) > SHOWN:
            found.append(f"… and {len(places) - SHOWN} more places.")
    return found


def suites(result: FrozenResult) -> list[TestSuite]:
    """JUnit: a suite for each step or evaluation, a case for each comparison."""
    found = []
    for probe in result.probes:
        own = f"{result.table.replace('/', '.')}.{probe.name.removeprefix(result.table + '/')}"
        cases = [_case(one, probe) for one in probe.comparisons]
        if probe.failure:
            cases.append(Case("computed", "error", probe.failure, probe.failure))
        found.append(TestSuite(f"{probe.name} at {result.scale}, from frozen weights", own, tuple(cases)))
    return found


def _case(one: Comparison, probe: ProbeResult) -> Case:
    if not one.moved:
        return Case(one.quantity)
    told = f"{one.quantity}: difference {difference(one)}, tolerated {tolerated(one)}"
    first = "the first place that differs" if one is probe.first else f"after {probe.first.quantity}"  # type: ignore[union-attr]
    return Case(one.quantity, "failure", told, f"{told}\n{first}")


def json_rows(results: Sequence[FrozenResult]) -> list[dict[str, Any]]:
    """One row for each step or evaluation."""
    return [
        {
            "id": probe.name,
            "kind": "evaluation" if probe.name.endswith("evaluation") else "step",
            "table": result.table,
            "state": probe.state,
            "first": probe.first.quantity if probe.first else None,
            "detail": probe.failure or (difference(probe.first) if probe.first else ""),
            "comparisons": len(probe.comparisons),
            "moved": [
                {"quantity": one.quantity, "distance": _finite(one.distance), "tolerance": one.tolerance}
                for one in probe.comparisons
                if one.moved
            ],
        }
        for result in results
        for probe in result.probes
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
