"""Training curves: one small panel per training, all on the same axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repro.report.charts.canvas import LARGEST, WIDE, AxisScale, Canvas, drawable, shortened, text_width
from repro.report.charts.intervals import tick_text
from repro.report.content import Curve
from repro.report.number_format import NONE, fixed

PANELS = 48
"""More trainings than that are not drawn: nobody compares so many panels."""
POINTS = 60
"""Curves are thinned to so many points: more than a small panel has room for."""
HEIGHT, TITLE, AXIS = 58.0, 18.0, 18.0


def curves_plot(curves: Sequence[Curve], page: float = WIDE) -> str:
    """Draw the loss over iterations: each seed faint, the mean over seeds strong. Empty where there is no loss."""
    curves = [curve for curve in curves if len(curve.step)]
    if not curves:
        return ""
    labels = list(dict.fromkeys(curve.label for curve in curves))[:PANELS]
    # Three beside each other where four would cut their names.
    fits = max(text_width(label, 8.2) for label in labels) <= 140
    across = min(2 if page < WIDE else 4 if fits else 3, len(labels))
    down = math.ceil(len(labels) / across)
    # A loss that left the numbers leaves a gap in its line; the axis is for those that did not.
    finite = [curve.loss[np.isfinite(curve.loss)] for curve in curves]
    tops = drawable(float(np.quantile(losses, 0.98)) for losses in finite if len(losses))
    top = max(tops, default=0.0) * 1.08
    top = top if top > 0 else 1.0
    last = max(float(max(curve.step[-1] for curve in curves)), 1.0)
    left, gap = 26.0, 14.0
    width = min((page - left - gap * (across - 1)) / across, 210.0)
    canvas = Canvas(page, 12 + down * (TITLE + HEIGHT + 6) + AXIS)
    canvas.text(0, 6, "loss (mean cross-entropy per pixel) over iterations", 8, "soft")
    for index, label in enumerate(labels):
        x, y = left + (index % across) * (width + gap), 12 + (index // across) * (TITLE + HEIGHT + 6) + TITLE
        steps, loss = AxisScale(0, last, x, x + width), AxisScale(0, top, y + HEIGHT, y)
        canvas.text(x, y - 9, shortened(label, width, 8.2), 8.2)
        ticks = loss.ticks(3)
        for tick in ticks:
            canvas.line([x, x + width], [loss(tick)] * 2, "line", 0.8)
            if index % across == 0:
                canvas.text(x - 6, loss(tick), tick_text(tick, ticks), 8, "soft", "right")
        if index + across >= len(labels):
            marks = steps.ticks(3)
            for tick in marks:
                canvas.text(steps(tick), y + HEIGHT + 9, tick_text(tick, marks), 8, "soft", "center")
        _panel(canvas, [curve for curve in curves if curve.label == label], steps, loss)
    caption = (
        f"{len(labels)} trainings; across: iterations up to {last:.0f}; upwards: loss from 0, on one common scale."
    )
    return canvas.svg("curves", "Loss of each training", caption)


def _panel(canvas: Canvas, seeds: Sequence[Curve], steps: AxisScale, loss: AxisScale) -> None:
    first = seeds[0].step
    at = np.linspace(first[0], first[-1], min(POINTS, len(first)))
    finite = [np.where(np.abs(curve.loss) <= LARGEST, curve.loss, np.nan) for curve in seeds]
    losses = np.array([np.interp(at, curve.step, own) for curve, own in zip(seeds, finite, strict=True)])
    xs = [steps(v) for v in at]
    for values in losses if len(seeds) > 1 else []:
        canvas.line(xs, _inside(values, loss), "accent", 0.8, 0.4)
    canvas.line(xs, _inside(losses.mean(axis=0), loss), "accent", 1.6)


def _inside(values: NDArray[np.float64], loss: AxisScale) -> list[float]:
    """Where losses lie, those above the axis on its upper end."""
    return [loss(min(float(v), loss.high)) if np.isfinite(v) else math.nan for v in values]


def final_losses(curves: Sequence[Curve]) -> dict[str, str]:
    """Return label -> mean of the seeds' last losses, for readers of text."""
    losses: dict[str, list[float]] = {}
    for curve in curves:
        losses.setdefault(curve.label, []).extend(float(value) for value in curve.loss[-1:])
    return {label: fixed(float(np.mean(values)), 3) if values else NONE for label, values in losses.items()}
