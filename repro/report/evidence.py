"""What a claim's verdict rests on: as a small picture, and as lines of text that Markdown and HTML share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repro.judge.intervals import Estimate
from repro.judge.result import ClaimResult
from repro.report.numbers import NONE, dof, fixed, probability, signed, span
from repro.report.plots import quiet
from repro.report.svg import chart_settings, to_svg
from repro.report.theme import paint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = 7
"""More lines than that are no small picture; the weakest for the claim are shown."""


@dataclass(frozen=True)
class Line:
    """One line of the picture: an effect with its published counterpart, in the claim's unit."""

    label: str
    estimate: Estimate
    per_seed: tuple[tuple[int, float], ...]
    published: float | None
    low: float
    high: float
    strong: bool
    """Whether the verdict rests on it."""


def lines(claim: ClaimResult) -> tuple[Line, ...]:
    """Return the decisive effect first, then the other effects, or the pairs it is the mean of; at most LINES."""
    if not claim.parts:
        return ()
    published = {pair.cells: pair.value for pair in claim.published.pairs}
    decisive = claim.parts[claim.decisive]
    own = [published[pair.cells] for pair in decisive.pairs if pair.cells in published]
    average = sum(own) / len(own) if own else None
    found = [Line(decisive.label, decisive.estimate, decisive.per_seed, average, decisive.low, decisive.high, True)]
    rest = [
        Line(pair.label, pair.estimate, pair.per_seed, published.get(pair.cells), decisive.low, decisive.high, False)
        for pair in (decisive.pairs if len(decisive.pairs) > 1 else ())
    ]
    for index, part in enumerate(claim.parts):
        if index != claim.decisive:
            values = [published[pair.cells] for pair in part.pairs if pair.cells in published]
            mean = sum(values) / len(values) if values else None
            rest.append(Line(part.label, part.estimate, part.per_seed, mean, part.low, part.high, False))
    if len(rest) >= LINES:
        kept = sorted(range(len(rest)), key=lambda k: rest[k].estimate.value)[: LINES - 1]
        rest = [rest[k] for k in sorted(kept)]
    return (*found, *rest)


def effect_text(value: float | None, unit: str) -> str:
    """Return an effect with sign and unit: "+0.42 points", "1.08 x"."""
    if value is None or math.isnan(value):
        return NONE
    return f"{fixed(value)} ×" if unit == "x" else f"{signed(value)} {unit}"


def numbers(claim: ClaimResult) -> tuple[tuple[str, str], ...]:
    """Return what the reader needs to check a verdict, as (name, text) in order."""
    published = claim.published
    paper = {"holds": "holds as printed", "fails": "does not hold as printed"}.get(published.status, published.status)
    size = "" if published.effect is None else f"{effect_text(published.effect, published.unit)}, "
    found = [("Paper", f"{size}{paper}")]
    if claim.published.clear is not None and claim.published.pairs:
        found.append(("Paper's noise", f"{published.clear} of {len(published.pairs)} differences are larger than its noise"))
    effect = claim.effect
    if effect is not None:
        text = effect_text(effect.value, claim.unit)
        if effect.covers not in ("nothing", "exact"):
            text += f" ({span(effect.low, effect.high)})"
            if effect.covers == "images only":
                text += ", images only"
        found.append(("Ours (95 %)", text))
    if claim.p is not None:
        found.append(("Probability", f"p {probability(claim.p)}, corrected for {claim.tests} claims: q {probability(claim.q)}"))
    if effect is not None and claim.seeds:
        found.append(("Rests on", f"{len(claim.seeds)} seeds, {dof(effect.dof)} degrees of freedom"))
    if claim.missing:
        found.append(("Missing", f"{len(claim.missing)} cells"))
    if claim.why:
        found.append(("Why not", claim.why))
    return tuple(found)


def evidence_plot(claim: ClaimResult) -> str:
    """Draw a claim's effects: ours with interval and seeds, published as diamonds, the claimed range shaded.

    Empty where nothing was measured.
    """
    shown = lines(claim)
    if not shown:
        return ""
    from matplotlib.figure import Figure

    with chart_settings():
        figure = Figure(figsize=(3.9, 0.5 + 0.33 * len(shown)), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        for y, line in enumerate(shown):
            _draw(axes, line, y)
        neutral = 1.0 if claim.unit == "x" else 0.0
        ends = [v for line in shown for v in _extent(line)] + [neutral]
        low, high = min(ends), max(ends)
        edge = 0.07 * max(high - low, 0.5)
        low, high = low - edge, high + edge
        axes.axvspan(max(shown[0].low, low), min(shown[0].high, high), color=paint("good"), alpha=0.08, linewidth=0)
        axes.axvline(neutral, color=paint("faint"), linewidth=0.9)
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.3, -0.85)
        quiet(axes)
        axes.tick_params(labelsize=7.6, pad=2)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        words = f"{claim.verdict}: ours {effect_text(shown[0].estimate.value, claim.unit)}, published "
        words += effect_text(shown[0].published, claim.unit)
        return to_svg(figure, "claim-" + claim.id.replace(".", "-"), f"Evidence for {claim.id}", words)


def _extent(line: Line) -> list[float]:
    values = [line.estimate.value, line.estimate.low, line.estimate.high, *(v for _, v in line.per_seed)]
    if line.published is not None:
        values.append(line.published)
    return [v for v in values if math.isfinite(v)]


def _draw(axes: Axes, line: Line, y: float) -> None:
    colour, alpha = paint("accent"), 1.0 if line.strong else 0.6
    estimate = line.estimate
    axes.annotate(
        line.label, (0.005, y - 0.44), xycoords=("axes fraction", "data"), fontsize=7.4, va="center",
        color=paint("ink" if line.strong else "soft"), fontweight="bold" if line.strong else "normal",
    )  # fmt: skip
    if estimate.covers != "nothing":
        axes.plot([estimate.low, estimate.high], [y, y], color=colour, lw=2.6, alpha=0.5 * alpha, solid_capstyle="round")
    if len(line.per_seed) > 1:
        axes.plot([v for _, v in line.per_seed], [y] * len(line.per_seed), ".", color=paint("ink"), ms=3, alpha=0.5, zorder=5)
    axes.plot([estimate.value], [y], "o", color=colour, ms=5.5 if line.strong else 4.5, alpha=alpha, zorder=4)
    if line.published is not None:
        axes.plot([line.published], [y], "D", markerfacecolor="none", color=paint("ink"), ms=4.6, mew=1.1, alpha=alpha)
