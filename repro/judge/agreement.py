"""How published and measured cells agree: the order at small scales, the values at scale paper; and the headline.

Below scale paper absolute values mean nothing (other data, other networks), so only the order of the cells is
compared: Kendall's tau-b, 1 for the same order, 0 for none, -1 for the opposite. Its interval treats the cells as a
sample of settings and inverts the test of each tau, with the variance that tau has for normal variables (Esscher
1924). Fisher's transform with Fieller's variance, often used, covers 40 to 85 % of the time for tau = 0.9 and 5 to 20
cells; this one covers 94 to 97 % from 8 cells on (91 to 99 % below, where tau takes few values).

At scale paper a cell is "within interval" if the published value lies in our 95 % interval, else "within tolerance"
if it is no farther than the tolerance, else "off". That takes the published protocol: a cell of which a setting was
changed, on the command line for instance, is another experiment and only takes part in the order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from repro.judge.evidence import Evidence, cell_estimate
from repro.judge.intervals import t_quantile
from repro.judge.result import ClaimResult
from repro.judge.scorecard import scorecard, sentences
from repro.judge.wording import MINUS
from repro.spec.departures import changed_line
from repro.spec.metric import find_metric
from repro.spec.table import Cell

Closeness = Literal["within interval", "within tolerance", "off"]
FEWEST_CELLS = 4


@dataclass(frozen=True)
class Tolerance:
    """A distance between published and measured values that is put up with, and why."""

    points: float
    reason: str


TOLERANCE = Tolerance(
    1.0,
    "Two single runs of the same training differ by up to 0.6 points (the one published hint at seed noise is a "
    "standard deviation of 0.22, DeepLab v3, Table 11); the rest allows for other ImageNet weights than the authors'.",
)


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b with 95 % interval; NaN where there are too few cells or all values are equal."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How a table's measured cells agree with the published ones."""

    scale: str
    cells: int
    """Measured cells that have both numbers."""
    tau: Tau
    concordant: float
    """Share of the pairs that differ in the paper whose order is the same here; NaN where none has an order."""
    tolerance: Tolerance | None = None
    """None below scale paper."""
    closeness: Mapping[str, Closeness] = field(default_factory=dict)
    """Cell id -> verdict, of cells under the published protocol; empty below scale paper."""
    within: tuple[tuple[float, int], ...] = ()
    """(tolerance in points, cells no farther than that) at half, once and twice the tolerance."""
    changed: int = 0
    """At scale paper: how many of `cells` were measured with other settings than the published ones."""
    settings: tuple[str, ...] = ()
    """These settings' dotted keys."""
    sentence: str = ""


@dataclass(frozen=True)
class CellCounts:
    """How many of a table's cells are of which kind."""

    measurable: int = 0
    """Cells that a run measures, whether it did or not."""
    alone: int = 0
    """Cells that were measured and have no published number."""
    computed: int = 0
    """Computed cells that were counted and have a printed figure."""
    equal: int = 0
    """Those of them that come out as printed."""
    quoted: int = 0
    derived: bool = False
    """Nothing is printed: the computed cells are compared with what the figure's definition gives."""


def kendall(published: Sequence[float], measured: Sequence[float], metrics: Sequence[str] = ()) -> Tau:
    """Return tau-b of two sequences (n,) with its 95 % interval: none below 4 cells, NaN where one is constant.

    `metrics`, where given: what each is a value of; only pairs of one metric have an order.
    """
    above = _pairs(metrics or [""] * len(published))
    # by hand: importing scipy.stats for it takes half a second, a quarter of a report
    first, second = (np.sign(np.subtract.outer(x, x))[above] for x in (np.asarray(published), np.asarray(measured)))
    untied = math.sqrt(float(np.sum(first != 0)) * float(np.sum(second != 0)))
    value = round(float(first @ second) / untied, 12) if untied else math.nan
    return Tau(value, *tau_interval(value, len(published)))


def _pairs(metrics: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The two sides of all pairs of cells of one metric."""
    first, second = np.triu_indices(len(metrics), 1)
    names = np.array(metrics, dtype=object)
    alike = names[first] == names[second]
    return first[alike], second[alike]


def tau_interval(value: float, cells: int) -> tuple[float, float]:
    """Return the 95 % interval of tau: every tau that would not be refuted by the `value` found with so many cells."""
    if cells < FEWEST_CELLS or math.isnan(value):
        return math.nan, math.nan
    tau = np.linspace(-1, 1, 4001)
    rho = np.sin(np.pi * tau / 2)
    shared = 2 * (cells - 2) * (1 / 9 - 4 / np.pi**2 * np.arcsin(rho / 2) ** 2)
    deviation = np.sqrt(np.maximum((1 - tau**2 + shared) * 2 / (cells * (cells - 1)), 0))
    accepted = tau[np.abs(value - tau) <= t_quantile(0.975, math.inf) * deviation + 1e-12]
    return float(accepted.min()), float(accepted.max())


def agreement(
    cells: Iterable[Cell],
    evidence: Evidence,
    scale: str,
    tolerance: Tolerance = TOLERANCE,
    departures: Mapping[str, Sequence[str]] | None = None,
) -> Agreement:
    """Compare a table's measured cells with what was printed. `tolerance` is used at scale paper only.

    `departures`: cell id -> keys of the settings that are not the published ones, where there are any.
    """
    published, measured, metrics, distances = [], [], [], []
    closeness: dict[str, Closeness] = {}
    changed: list[Sequence[str]] = []
    wide = 0
    for cell in cells:
        ours = cell_estimate(cell.id, evidence) if cell.kind == "measured" and cell.published is not None else None
        if ours is None or cell.published is None:
            continue
        metric = find_metric(cell.metric)
        factor = metric.factor
        metrics.append(metric.name)
        published.append(cell.published)
        measured.append(ours.value)
        if scale == "paper" and (keys := (departures or {}).get(cell.id)):
            changed.append(keys)
            continue
        distance = abs(ours.value * factor - cell.published)
        if metric.is_share:
            distances.append(distance)
        inside = ours.low * factor <= cell.published <= ours.high * factor
        closeness[cell.id] = "within interval" if inside else _within(distance, tolerance) if metric.is_share else "off"
        wide += metric.is_share and inside and (ours.high - ours.low) * factor > 2 * tolerance.points
    tau = kendall(published, measured, metrics)
    concordant, level = _concordant(published, measured, metrics)
    settings = tuple(dict.fromkeys(key for keys in changed for key in keys))
    result = Agreement(scale, len(published), tau, concordant, changed=len(changed), settings=settings)
    if scale != "paper" or (changed and not closeness):
        return replace(result, sentence=_order(len(published), tau, concordant, level))
    steps = (tolerance.points / 2, tolerance.points, 2 * tolerance.points)
    within = tuple((step, sum(d <= step + 1e-9 for d in distances)) for step in steps)
    closeness_text = _values(closeness, wide, within, tolerance)
    return replace(result, tolerance=tolerance, closeness=closeness, within=within, sentence=closeness_text)


def _within(distance: float, tolerance: Tolerance) -> Closeness:
    return "within tolerance" if distance <= tolerance.points + 1e-9 else "off"


def _concordant(published: Sequence[float], measured: Sequence[float], metrics: Sequence[str]) -> tuple[float, float]:
    """Of the pairs that differ in the paper: the shares in its order here, and level here; NaN where none has one."""
    a, b = np.array(published), np.array(measured)
    first, second = _pairs(metrics)
    differ = a[first] != a[second]
    signs = np.sign((a[first] - a[second]) * (b[first] - b[second]))[differ]
    return (float((signs > 0).mean()), float((signs == 0).mean())) if np.any(signs) else (math.nan, math.nan)


def _order(cells: int, tau: Tau, concordant: float, level: float) -> str:
    if cells < 2:
        return "Too few cells have both numbers to compare their order."
    if math.isnan(concordant):
        return f"No two of {cells} cells differ both in the paper and here: there is no order to compare."
    sentence = f"{100 * concordant:.0f} % of the pairs of {cells} cells are ranked as in the paper"
    if level:
        sentence += f", {100 * level:.0f} % are level"
    if math.isnan(tau.low):
        return sentence + "."
    low, high = (f"{end:.2f}".replace("-", MINUS) for end in (tau.low, tau.high))
    return f"{sentence} (Kendall's tau-b {f'{tau.value:.2f}'.replace('-', MINUS)}, 95 % interval {low} to {high})."


def _values(
    closeness: Mapping[str, Closeness], wide: int, within: Sequence[tuple[float, int]], tolerance: Tolerance
) -> str:
    """`wide`: cells whose interval holds the published value but would hold much else."""
    if not closeness:
        return "No cell has both numbers."
    values = list(closeness.values())
    half, once, twice = (f"{count} within {step:g}" for step, count in within)
    points = f"{tolerance.points:g} point{'s' * (tolerance.points != 1)}"
    noisy = f" ({wide} of them too noisy to tell: the interval is wider than {2 * tolerance.points:g} points)"
    off = values.count("off")
    return (
        f"Of {len(values)} cells, {values.count('within interval')} have the published value inside our 95 % interval"
        f"{noisy if wide else ''}, {values.count('within tolerance')} more are within {points} of it, "
        f"{off} {'is' if off == 1 else 'are'} off. By distance alone: {half}, {once}, {twice} points. "
        f"{tolerance.reason}"
    )


def _of_one_seed(claims: Sequence[ClaimResult]) -> list[str]:
    """Say what one seed decides: nothing, unless reference runs show the noise of seeds."""
    alone = [claim for claim in claims if claim.n_seeds == 1]
    sources = dict.fromkeys(claim.reference for claim in alone if claim.reference)
    without = sum(not claim.reference for claim in alone)
    if not alone:
        return []
    if not sources:
        return ["With one seed nothing measured can be decided: how much another seed would change is unknown."]
    rest = f" Of {without} claim{'s' * (without > 1)} it is unknown, and they stay inconclusive." if without else ""
    return [f"One seed; seed noise taken from reference runs ({'; '.join(sources)}).{rest}"]


def headline(agreed: Agreement, claims: Sequence[ClaimResult], counted: CellCounts = CellCounts()) -> str:
    """Return one line in plain words: what was and what was not reproduced, and what is inconclusive."""
    if counted.quoted and not (agreed.cells or counted.computed or counted.measurable):
        number = "Its one number is" if counted.quoted == 1 else f"All {counted.quoted} numbers here are"
        return f"{number} quoted: results of other systems or of a test server, which this suite does not measure."
    parts = sentences(scorecard(claims))
    parts += _of_one_seed(claims)
    if counted.computed:
        what = (
            "come out as the figure's definition gives; the paper prints no values"
            if counted.derived
            else "come out as printed"
        )
        parts.append(f"{counted.equal} of {counted.computed} computed figures {what}.")
    if agreed.cells:
        parts.append(agreed.sentence.split(" By distance alone")[0])
        if agreed.scale != "paper":
            parts.append(f"Scale {agreed.scale} says nothing about absolute values.")
        elif agreed.changed:
            parts.append(changed_line(agreed.changed, agreed.cells, agreed.settings))
    elif counted.alone:
        number = "One number was" if counted.alone == 1 else f"{counted.alone} numbers were"
        parts.append(f"{number} measured; the paper gives none to compare with.")
    return " ".join(parts) or "Nothing here has been measured yet."
