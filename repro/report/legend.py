"""One mark per cell, readable without colour, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from repro.judge.agreement import TOLERANCE
from repro.judge.result import Verdict
from repro.report.content import CellResult
from repro.report.number_format import factor
from repro.spec.metric import find_metric

Mark = Literal["agrees", "above", "below", "noisy", "incomparable", "failed", "missing", "quoted"]


@dataclass(frozen=True)
class Legend:
    """A mark's symbol, name and meaning."""

    symbol: str
    name: str
    meaning: str


WIDE = 2 * TOLERANCE.points
CLOSE = f"{TOLERANCE.points:g} point{'s' if TOLERANCE.points != 1 else ''}"

LEGEND: dict[Mark, Legend] = {
    "agrees": Legend(
        "=",
        "agrees",
        f"the published value lies in our 95 % interval or within {CLOSE} of ours; computed cells: equal as printed",
    ),
    "above": Legend(
        "+",
        "above",
        f"ours is higher by more than {CLOSE}, and the published value outside our interval; computed cells: higher",
    ),
    "below": Legend(
        "−",
        "below",
        f"ours is lower by more than {CLOSE}, and the published value outside our interval; computed cells: lower",
    ),
    "noisy": Legend("~", "too noisy to tell", f"our interval is wider than {WIDE:g} points, or there is none"),
    "incomparable": Legend(
        "n/c",
        "not comparable",
        "another scale or other settings than the paper's: order and trends count, the absolute value does not",
    ),
    "failed": Legend("×", "failed", "the run ended in an error; the reason and the command that repeats it are below"),
    "missing": Legend("○", "not run", "no record of it yet"),
    "quoted": Legend("q", "quoted", "another system's or a test server's number: shown, never claimed as ours"),
}


def mark_of(result: CellResult, scale: str) -> Mark:
    """Return the mark of a cell.

    A measured value is judged against the published one only at scale `paper`, and only where no setting was changed.
    """
    if result.state == "failed":
        return "failed"
    if result.state == "missing":
        return "missing"
    cell, estimate = result.cell, result.estimate
    if result.state == "quoted" or cell.published is None or estimate is None:
        return "quoted" if result.state == "quoted" else "incomparable"
    times = factor(cell)
    if result.state == "computed":
        difference = round(estimate.value * times - cell.published, cell.decimals)
        return "agrees" if difference == 0 else "above" if difference > 0 else "below"
    if scale != "paper" or result.departures:
        return "incomparable"
    if estimate.covers == "nothing":
        return "noisy"
    low, high = estimate.low * times, estimate.high * times
    inside, away = low <= cell.published <= high, estimate.value * times - cell.published
    share = find_metric(cell.metric).is_share  # what other units tolerate is not known
    if share and inside and high - low > WIDE:
        return "noisy"
    if inside or (share and abs(away) <= TOLERANCE.points):
        return "agrees"
    return "above" if away > 0 else "below"


VERDICTS: dict[Verdict, Legend] = {
    "supported": Legend("✓", "supported", "every effect, or their mean where the claim is about that, is as claimed"),
    "supported on average": Legend(
        "(✓)", "supported on average", "the mean is as claimed, but its pairs differ by more than noise: look at them"
    ),
    "contradicted": Legend("✗", "contradicted", "an effect, or the mean where the claim is about that, is not"),
    "contradicted on average": Legend(
        "(✗)", "contradicted on average", "the mean is not as claimed, but its pairs differ by more than noise"
    ),
    "inconclusive": Legend(
        "?", "inconclusive", "neither can be told at 5 % after correction, or seed noise is unknown"
    ),
    "not run": Legend("○", "not run", "a cell is missing, or no measurement of this suite can decide it"),
}
