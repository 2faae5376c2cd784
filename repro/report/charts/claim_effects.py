"""Effects behind claims: a strip for each claim's row, the picture that its row opens to, and all on one axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from repro.judge.intervals import Estimate
from repro.judge.result import ClaimResult, EffectResult, Interval, PairResult
from repro.report.charts.canvas import NARROW, WIDE, AxisScale, Canvas, drawable, padded, shortened, text_width
from repro.report.charts.intervals import axis, tick_text
from repro.report.claims import effect_text
from repro.report.legend import VERDICTS

WIDTH, STEP = 260.0, 25.0
STRIP, STRIP_HEIGHT = 190.0, 16.0
FOREST_ROW = 17.0
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
    first = _line(decisive, printed, decisive, True)
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
    return (first, *rest)


def _line(effect: EffectResult | PairResult, published: float | None, part: EffectResult, strong: bool) -> Line:
    return Line(effect.label, effect.estimate, effect.interval, effect.per_seed, published, part.low, part.high, strong)


def left_out(claim: ClaimResult) -> str:
    """Return what `lines` left out, in words; empty where nothing was."""
    decisive = claim.parts[claim.decisive]
    others = len(claim.parts) - 1 + (len(decisive.pairs) if len(decisive.pairs) > 1 else 0)
    return f"of {others} others the {EITHER} smallest and {EITHER} largest are shown" if others >= LINES else ""


def neutral(claim: ClaimResult) -> float:
    """Return the effect that is none: a ratio of 1, a difference of 0."""
    return 1.0 if claim.unit == "x" else 0.0


def common_scales(claims: Sequence[ClaimResult], width: float = STRIP) -> dict[str, AxisScale]:
    """Return unit -> the scale on which all claims of that unit are drawn, so that effects can be compared by eye."""
    values: dict[str, list[float]] = {}
    for claim in claims:
        if claim.parts:
            line = lines(claim)[0]
            values.setdefault(claim.unit, [neutral(claim)]).extend(_extent(line, seeds=False))
    return {unit: padded(numbers, 6, width - 6, 0.03, 0.5) for unit, numbers in values.items()}


def strip(claim: ClaimResult, scale: AxisScale) -> str:
    """Draw a claim's deciding effect with its interval and the published value, for one row. Empty without effect."""
    if not claim.parts:
        return ""
    line, canvas, y = lines(claim)[0], Canvas(STRIP, STRIP_HEIGHT), STRIP_HEIGHT / 2
    _claimed(canvas, line, scale, 0, STRIP_HEIGHT)
    canvas.line([scale(neutral(claim))] * 2, [0, STRIP_HEIGHT], "faint", 0.9)
    _effect(canvas, line, scale, y, 6.4)
    return canvas.svg(f"strip-{claim.id}", "Effect", _summary(claim, line))


def strip_axis(scale: AxisScale, unit: str) -> str:
    """Draw the axis that the strips of one unit share."""
    canvas, ticks = Canvas(STRIP, 12), scale.ticks(5)
    for tick in ticks:
        canvas.text(scale(tick), 6, tick_text(tick, ticks), 8, "soft", "center")
    return canvas.svg(f"strip-axis-{unit}", "Axis of the effects", f"Effects in {unit}.")


def evidence_plot(claim: ClaimResult, width: float = WIDTH) -> str:
    """Draw a claim's effects: ours with interval and seeds, published as diamonds, the claimed range shaded.

    Empty where nothing was measured.
    """
    shown = lines(claim)
    if not shown:
        return ""
    scale = padded([neutral(claim), *(v for line in shown for v in _extent(line))], 4, width - 4, 0.07, 0.5)
    bottom = STEP * len(shown) + 6
    note = left_out(claim)
    canvas = Canvas(width, bottom + (44 if note else 30))
    canvas.text(4, bottom + 37, note, 7.4, "faint")
    _claimed(canvas, shown[0], scale, 0, bottom)
    for index in range(len(shown)):
        canvas.line([scale(neutral(claim))] * 2, [STEP * index + 13, STEP * index + 27], "faint", 0.9)
    ticks = scale.ticks(5)
    for tick in ticks:
        canvas.text(scale(tick), bottom + 9, tick_text(tick, ticks), 7.8, "soft", "center")
    unit = "ratio" if claim.unit == "x" else claim.unit
    canvas.text(width / 2, bottom + 22, f"effect, {unit}", 7.8, "soft", "center")
    for index, line in enumerate(shown):
        y = STEP * index + 20
        label = shortened(tidy(line.label), width - 8, 7.6)
        canvas.text(4, y - 11, label, 7.6, "ink" if line.strong else "soft", bold=line.strong)
        _effect(canvas, line, scale, y, 6 if line.strong else 4.8, 1.0 if line.strong else 0.7)
        if len(line.per_seed) > 1:
            canvas.marks([scale(v) for _, v in line.per_seed], [y] * len(line.per_seed), "ink", "o", 2.2, 0.6)
    return canvas.svg(f"claim-{claim.id}", f"Evidence for {claim.id}", _summary(claim, shown[0]))


def forest_plot(claims: Sequence[ClaimResult], width: float = WIDE) -> str:
    """Draw the deciding effects of all claims about the table's score on one axis, the largest on top.

    Empty where fewer than two were measured.
    """
    shown = [(claim, lines(claim)[0]) for claim in claims if claim.parts and claim.unit == "points"]
    if len(shown) < 2:
        return ""
    shown.sort(key=lambda pair: _rank(pair[1]))
    narrow, size = width <= NARROW, 8.5
    labels = [f"{VERDICTS[claim.verdict].symbol} {forest_label(line.label)}" for claim, line in shown]
    left = 4.0 if narrow else min(0.46 * width, max(text_width(label, size) for label in labels) + 12)
    step = FOREST_ROW + (7 if narrow else 0)
    top, bottom = 20.0, 20.0 + step * len(shown)
    values = [0.0, *(v for _, line in shown for v in _extent(line, seeds=False))]
    scale = padded(values, left, width - 8, 0.03)
    canvas = Canvas(width, bottom + 34)
    published = any(line.published is not None for _, line in shown)
    canvas.text(left, 8, f"● ours with interval{'   ◇ published' if published else ''}", 8.5, "soft")
    axis(canvas, scale, top, bottom, 5 if narrow else 9)
    canvas.line([scale(0)] * 2, [top, bottom], "soft", 1.0)
    for index, ((claim, line), label) in enumerate(zip(shown, labels, strict=True)):
        y = top + step * (index + 0.5) + (5 if narrow else 0)
        colour = {"supported": "good", "contradicted": "bad"}.get(claim.verdict.split(" ")[0], "soft")
        if narrow:
            canvas.text(4, y - 12, shortened(label, width - 8, 8), 8, "ink" if colour != "soft" else "soft")
        else:
            caption = shortened(label, left - 10, size)
            canvas.text(left - 8, y, caption, size, "ink" if colour != "soft" else "soft", "right")
        _effect(canvas, line, scale, y, 6, colour=colour if colour != "soft" else "accent")
    canvas.text((left + width - 8) / 2, bottom + 26, "difference in mean IOU, points", 8.5, "soft", "center")
    caption = f"{len(shown)} effects, the largest on top; the rows below have the same numbers."
    return canvas.svg("forest", "Effects of all claims with their intervals", caption)


def _rank(line: Line) -> float:
    value = line.estimate.value
    return -value if math.isfinite(value) else math.inf


def forest_label(label: str) -> str:
    """Return what is compared, without the baseline that all rows share."""
    return re.sub(r"^as published − (.*)$", r"\1", tidy(label))


def _summary(claim: ClaimResult, line: Line) -> str:
    ours, printed = effect_text(line.estimate.value, claim.unit), effect_text(line.published, claim.unit)
    return f"{claim.verdict}: ours {ours}" + ("" if line.published is None else f", published {printed}")


def _claimed(canvas: Canvas, line: Line, scale: AxisScale, top: float, height: float) -> None:
    """Shade the range that is claimed."""
    low, high = max(line.low, scale.low), min(line.high, scale.high)
    if low < high:
        canvas.box(scale(low), top, scale(high) - scale(low), height, "good", 0.09)


def _extent(line: Line, seeds: bool = True) -> list[float]:
    """Return what a line's axis must hold."""
    values = [line.estimate.value, *_ends(line), *(v for _, v in line.per_seed if seeds)]
    if line.published is not None:
        values.append(line.published)
    return drawable(values)


def _ends(line: Line) -> Interval:
    return line.interval or Interval(line.estimate.low, line.estimate.high)


def tidy(label: str) -> str:
    """Return "A, x − A, y" as "A: x − y", so that what differs is not cut off where a label is long."""
    sign = " − " if " − " in label else " / "
    left, middle, right = label.partition(sign)
    if not middle or sign in right:
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


def _effect(
    canvas: Canvas, line: Line, scale: AxisScale, y: float, size: float, alpha: float = 1.0, colour: str = "accent"
) -> None:
    """Draw an effect with its interval, and the published one over it."""
    if line.estimate.covers != "nothing":
        ends = [scale(min(max(end, scale.low), scale.high)) for end in _ends(line)]  # a ratio's may be infinite
        canvas.line(ends, [y, y], colour, 2.8, 0.5 * alpha, round_ends=True)
    canvas.marks([scale(line.estimate.value)], [y], colour, "o", size, alpha, edge="raised")
    if line.published is not None:
        canvas.marks([scale(line.published)], [y], "ink", "D", 4.8, alpha, hollow=True)
