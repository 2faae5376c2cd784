"""What a claim's verdict rests on: as a small picture, and as lines of text that Markdown and HTML share."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from repro.judge.intervals import Estimate
from repro.judge.result import ALPHA, ClaimResult, Differences, Interval, Pair, Part
from repro.judge.wording import percent, seeds_of
from repro.report.charts.canvas import Canvas, Scale, padded, shortened
from repro.report.charts.intervals import tick_text
from repro.report.number_format import NONE, dof, fixed, probability, signed, span

WIDTH, STEP = 232.0, 25.0
"""Points."""
LINES = 7
"""More lines than that are no small picture; the smallest and the largest are shown."""
EITHER = (LINES - 1) // 2


@dataclass(frozen=True)
class Line:
    """One line of the picture: an effect with its published counterpart, in the claim's unit."""

    label: str
    estimate: Estimate
    interval: Interval | None
    """Of the test; None where there was none: then the estimate's own is drawn."""
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
    decisive, printed = claim.parts[claim.decisive], claim.published_effect
    found = [_line(decisive, printed, decisive, True)]
    rest = [
        _line(pair, published.get(pair.cells), decisive, False)
        for pair in (decisive.pairs if len(decisive.pairs) > 1 else ())
    ]
    for index, part in enumerate(claim.parts):
        if index != claim.decisive:
            mean = claim.published.mean_over(pair.cells for pair in part.pairs)
            rest.append(_line(part, mean, part, False))
    if len(rest) >= LINES:
        ranked = sorted(range(len(rest)), key=lambda k: rest[k].estimate.value)
        rest = [rest[k] for k in sorted(ranked[:EITHER] + ranked[-EITHER:])]
    return (*found, *rest)


def _line(effect: Part | Pair, published: float | None, part: Part, strong: bool) -> Line:
    return Line(effect.label, effect.estimate, effect.interval, effect.per_seed, published, part.low, part.high, strong)


def left_out(claim: ClaimResult) -> str:
    """Return what `lines` left out, in words; empty where nothing was."""
    decisive = claim.parts[claim.decisive]
    others = len(claim.parts) - 1 + (len(decisive.pairs) if len(decisive.pairs) > 1 else 0)
    return f"of {others} others the {EITHER} smallest and {EITHER} largest are shown" if others >= LINES else ""


def effect_text(value: float | None, unit: str) -> str:
    """Return an effect with sign and unit: "+0.42 points", "1.08 x"."""
    if value is None or math.isnan(value):
        return NONE
    return f"{fixed(value)} ×" if unit == "x" else f"{signed(value)} {unit}"


def numbers(claim: ClaimResult) -> tuple[tuple[str, str], ...]:
    """Return what the reader needs to check a verdict, as (name, text) in order."""
    published, unit = claim.published, claim.published.unit
    printed = {"holds": "holds as printed", "fails": "does not hold as printed"}.get(published.status, published.status)
    words, value = [printed], claim.published_effect
    if published.effect is not None and value is not None:
        words = [effect_text(value, unit), printed]
        if len(published.effects) > 1:
            own = "" if value == published.effect else f" {effect_text(published.effect, unit)}"
            words.insert(1, f"weakest of {len(published.effects)}{own}")
    if published.clear is not None and published.effects:
        n = len(published.effects)
        words.append(
            f"{published.clear} of {n} clear of noise"
            if n > 1
            else "clear of noise"
            if published.clear
            else "within noise"
        )
    found = [("Published", "; ".join(words))]
    effect = claim.effect
    if effect is not None:
        text = effect_text(effect.value, claim.unit)
        ends = claim.shown_interval
        if ends is not None:
            text += f" ({span(*ends)})"
            if claim.interval is None:
                text += ", images only"
        level = ALPHA if claim.level is None else claim.level
        found.append(("Ours" if ends is None else f"Ours ({percent(level)})", text))
    if claim.p is not None:
        found.append(
            ("Probability", f"p {probability(claim.p)}, corrected for {claim.tests} claims: q {probability(claim.q)}")
        )
    if claim.differences is not None:
        found.append(("Pairs", _apart(claim.differences, claim.unit)))
    if effect is not None and claim.seeds:
        found.append(
            (
                "Rests on",
                f"{seeds_of(claim)}, {dof(effect.dof)} degree{'s' if dof(effect.dof) != '1' else ''} of freedom",
            )
        )
    if claim.missing:
        found.append(("Missing", f"{len(claim.missing)} cell{'s' * (len(claim.missing) > 1)}"))
    return tuple(found)


def _apart(differences: Differences, unit: str) -> str:
    """Return how far apart pairs are: their probability of being alike, and the spread that noise does not make."""
    size = f"a factor of {fixed(math.exp(differences.spread))}"
    if unit != "x":
        size = f"{fixed(differences.spread)} {unit}"
    return f"alike with p {probability(differences.p)}; true effects vary by {size} (standard deviation)"


def evidence_plot(claim: ClaimResult) -> str:
    """Draw a claim's effects: ours with interval and seeds, published as diamonds, the claimed range shaded.

    Empty where nothing was measured.
    """
    shown = lines(claim)
    if not shown:
        return ""
    neutral = 1.0 if claim.unit == "x" else 0.0
    scale = padded([neutral, *(v for line in shown for v in _extent(line))], 4, WIDTH - 4, 0.07, 0.5)
    bottom = STEP * len(shown) + 6
    note = left_out(claim)
    canvas = Canvas(WIDTH, bottom + (30 if note else 16))
    canvas.text(4, bottom + 23, note, 7.4, "faint")
    low, high = max(shown[0].low, scale.low), min(shown[0].high, scale.high)
    if low < high:
        canvas.box(scale(low), 0, scale(high) - scale(low), bottom, "good", 0.09)
    for index in range(len(shown)):
        canvas.line([scale(neutral)] * 2, [STEP * index + 13, STEP * index + 27], "faint", 0.9)
    ticks = scale.ticks(5)
    for tick in ticks:
        canvas.text(scale(tick), bottom + 9, tick_text(tick, ticks), 7.8, "soft", "center")
    for index, line in enumerate(shown):
        _draw(canvas, line, scale, STEP * index + 20)
    words = f"{claim.verdict}: ours {effect_text(shown[0].estimate.value, claim.unit)}, published "
    words += effect_text(shown[0].published, claim.unit)
    return canvas.svg("claim-" + claim.id.replace(".", "-"), f"Evidence for {claim.id}", words)


def _extent(line: Line) -> list[float]:
    values = [line.estimate.value, *_ends(line), *(v for _, v in line.per_seed)]
    if line.published is not None:
        values.append(line.published)
    return [v for v in values if math.isfinite(v)]


def _ends(line: Line) -> Interval:
    return line.interval or Interval(line.estimate.low, line.estimate.high)


def tidy(label: str) -> str:
    """Return "A, x − A, y" as "A: x − y", so that what differs is not cut off where a label is long."""
    sign = " − " if " − " in label else " / "
    left, found, right = label.partition(sign)
    if not found or sign in right:
        return label
    ours, theirs = _parts(left), _parts(right)
    common = [part for part in ours if part in theirs]
    first, second = ([part for part in parts if part not in common] for parts in (ours, theirs))
    if not common or not first or not second:
        return label
    return f"{', '.join(common)}: {', '.join(first)}{sign}{', '.join(second)}"


def _parts(label: str) -> list[str]:
    """Split at commas outside of parentheses."""
    return re.split(r", (?![^()]*\))", label)


def _draw(canvas: Canvas, line: Line, scale: Scale, y: float) -> None:
    alpha = 1.0 if line.strong else 0.7
    canvas.text(
        4, y - 11, shortened(tidy(line.label), WIDTH - 8, 7.6), 7.6, "ink" if line.strong else "soft", bold=line.strong
    )
    estimate = line.estimate
    if estimate.covers != "nothing":
        ends = [scale(min(max(end, scale.low), scale.high)) for end in _ends(line)]  # a ratio's may be infinite
        canvas.line(ends, [y, y], "accent", 2.8, 0.5 * alpha, round_ends=True)
    canvas.marks([scale(estimate.value)], [y], "accent", "o", 6 if line.strong else 4.8, alpha, edge="raised")
    if len(line.per_seed) > 1:
        canvas.marks([scale(v) for _, v in line.per_seed], [y] * len(line.per_seed), "ink", "o", 2.2, 0.6)
    if line.published is not None:
        canvas.marks([scale(line.published)], [y], "ink", "D", 4.8, alpha, hollow=True)
