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
STATE_WORDS = 120
"""Characters of settings that a row shows."""


def headline(result: FrozenResult) -> str:
    """One line: how many steps and evaluations moved."""
    probes, name = len(result.probes), f"{result.table} at {result.scale}, from frozen weights"
    parts = [f"{result.count('failed')} of {probes} steps and evaluations failed"] if result.count("failed") else []
    if result.count("moved"):
        parts.append(f"{result.count('moved')} of {probes} steps and evaluations moved by more than rounding")
    if parts:
        return f"{name}: {'; '.join(parts)}."
    return f"{name}: all {probes} steps and evaluations agree ({result.comparisons} comparisons)."


def first_places(result: FrozenResult) -> list[tuple[str, ...]]:
    """A row for each place where steps or evaluations begin to differ, the commonest first; then for each failure."""
    groups: dict[str, list[ProbeResult]] = {}
    for probe in result.probes:
        if probe.first is not None:
            groups.setdefault(probe.first.quantity, []).append(probe)
    lines: list[tuple[str, ...]] = []
    for place, probes in sorted(groups.items(), key=lambda item: -len(item[1])):
        worst = max(probes, key=_first_distance)
        first, before = worst.first, worst.before
        assert first is not None
        earlier = before.quantity if before else "nothing"
        lines.append((place, str(len(probes)), worst.name, difference(first), tolerated(first), earlier))
    failures = [probe for probe in result.probes if probe.failure]
    lines += [("failed", "1", probe.name, probe.failure, "", "") for probe in failures]
    return lines


def _first_distance(probe: ProbeResult) -> float:
    distance = probe.first.distance if probe.first else 0.0
    return math.inf if math.isnan(distance) else distance


def difference(comparison: Comparison) -> str:
    """How far a quantity moved."""
    if comparison.detail:
        return comparison.detail if len(comparison.detail) <= STATE_WORDS else comparison.detail[:STATE_WORDS] + "…"
    if comparison.cosine is None:
        return f"{comparison.distance:.0f} pixels" if comparison.distance >= 1 else f"{comparison.distance:.2g}"
    return f"{_share(comparison.distance)}, cosine {comparison.cosine:.4f}"


def tolerated(comparison: Comparison) -> str:
    """How far it may."""
    if not comparison.tolerance:
        return "none"
    if comparison.cosine is None:
        return f"{comparison.tolerance:.0f} pixels" if comparison.tolerance >= 1 else f"{comparison.tolerance:.2g}"
    return _share(comparison.tolerance)


def _share(value: float) -> str:
    return f"{100 * value:.2g} %"


def blocks(result: FrozenResult) -> list[str]:
    """Markdown."""
    parts = [text(headline(result))]
    if places := first_places(result):
        shown = [tuple(text(part) or " " for part in row) for row in places[:SHOWN]]
        parts.append(table_rows(HEADINGS, shown, numeric=(1,)))
        if len(places) > SHOWN:
            parts.append(f"… and {len(places) - SHOWN} more places.")
    return parts


def suites(result: FrozenResult) -> list[TestSuite]:
    """JUnit: a suite for each step or evaluation, a case for each comparison."""
    all_suites = []
    for probe in result.probes:
        own = f"{result.table.replace('/', '.')}.{probe.name.removeprefix(result.table + '/')}"
        cases = [_case(comparison, probe) for comparison in probe.comparisons]
        if probe.failure:
            cases.append(Case("computed", "error", probe.failure, probe.failure))
        all_suites.append(TestSuite(f"{probe.name} at {result.scale}, from frozen weights", own, tuple(cases)))
    return all_suites


def _case(comparison: Comparison, probe: ProbeResult) -> Case:
    if not comparison.moved:
        return Case(comparison.quantity)
    detail = f"{comparison.quantity}: difference {difference(comparison)}, tolerated {tolerated(comparison)}"
    first = "the first place that differs" if comparison is probe.first else f"after {probe.first.quantity}"  # type: ignore[union-attr]
    return Case(comparison.quantity, "failure", detail, f"{detail}\n{first}")


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
                {
                    "quantity": comparison.quantity,
                    "distance": _finite(comparison.distance),
                    "tolerance": comparison.tolerance,
                }
                for comparison in probe.comparisons
                if comparison.moved
            ],
        }
        for result in results
        for probe in result.probes
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
