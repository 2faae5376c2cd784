"""Charts of the scores of somebody's predictions: by rule, by class, near boundaries, and the confusion matrix."""

from __future__ import annotations

import math

import numpy as np

from repro.report.charts.canvas import NARROW, WIDE, Canvas, padded, shortened, text_width
from repro.report.charts.intervals import axis
from repro.report.number_format import fixed
from repro.scoring.result import ClassScore, Score

FEW_IMAGES = 10
"""A class in fewer images has no interval that could be trusted."""


def has_interval(line: ClassScore) -> bool:
    """Return whether enough images hold the class, and not nearly all of it in one of them."""
    return line.images >= FEW_IMAGES and line.iou.covers != "nothing"


def rule_chart(score: Score, width: float = WIDE) -> str:
    """Draw what each rule makes of the predictions, on one axis."""
    rules = [r for r in score.rules if not math.isnan(r.value)]
    left, step = min(0.45 * width, max(text_width(r.name, 9) for r in rules) + 12), 18.0
    canvas = Canvas(width, 16 + step * len(rules) + 30)
    scale = padded([r.value * 100 for r in rules], left, width - 14, least=2)
    bottom = 10 + step * len(rules)
    axis(canvas, scale, 8, bottom, 6 if width > NARROW else 3)
    ours = scale(rules[0].value * 100)
    canvas.line([ours, ours], [8, bottom], "accent", 1.2)
    for k, rule in enumerate(rules):
        y = 10 + step * (k + 0.5)
        canvas.text(
            left - 8,
            y,
            shortened(rule.name, left - 10, 9),
            9,
            "ink" if rule.papers else "soft",
            "right",
            bold=rule.papers,
        )
        canvas.line([ours, scale(rule.value * 100)], [y, y], "faint", 1.4)
        canvas.marks([scale(rule.value * 100)], [y], "accent" if rule.papers else "soft", "o", 6)
    canvas.text((left + width - 14) / 2, bottom + 24, "mean IOU, %", 8.5, "soft", "center")
    return canvas.svg("rules", "Mean IOU by rule of counting", "The same predictions; the line is the papers' rule.")


def class_chart(score: Score, width: float = WIDE) -> str:
    """Draw each class's IOU with its interval."""
    lines = [c for c in score.classes if not math.isnan(c.iou.value)]
    left, step = min(0.4 * width, max((text_width(c.name, 9) for c in lines), default=0) + 12), 16.0
    canvas = Canvas(width, 16 + step * len(lines) + 30)
    scale = padded([0, 100], left, width - 14, share=0.01)
    bottom = 10 + step * len(lines)
    axis(canvas, scale, 8, bottom, 6 if width > NARROW else 3)
    mean = scale(score.miou.value * 100)
    canvas.line([mean, mean], [8, bottom], "accent", 1.2)
    for k, line in enumerate(lines):
        y = 10 + step * (k + 0.5)
        canvas.text(left - 8, y, shortened(line.name, left - 10, 9), 9, "soft", "right")
        if has_interval(line):
            canvas.line([scale(line.iou.low * 100), scale(line.iou.high * 100)], [y, y], "soft", 2.2, 0.5)
        canvas.marks([scale(line.iou.value * 100)], [y], "accent", "o", 6, hollow=not has_interval(line))
    canvas.text((left + width) / 2, bottom + 24, "IOU, %", 8.5, "soft", "center")
    caption = "Bars are 95 % intervals over images; hollow: too few images hold the class. The line is the mean."
    return canvas.svg("classes", "IOU by class", caption)


def trimap_chart(score: Score, width: float = WIDE) -> str:
    """Draw mean IOU by width of the band."""
    known = [(band, value * 100) for band, value in score.trimap if not math.isnan(value)]
    canvas = Canvas(width, 220)
    if not known:
        canvas.text(width / 2, 100, "no boundaries in the ground truth", 9, "soft", "center")
        return canvas.svg("trimap", "Mean IOU near boundaries", "There are none.")
    xs = padded([0, len(score.trimap)], 44, width - 20, share=0.01)
    ys = padded([*(v for _, v in known), score.miou.value * 100], 180, 14)
    for tick in ys.ticks(5):
        canvas.line([44, width - 20], [ys(tick)] * 2, "line", 0.8)
        canvas.text(38, ys(tick), fixed(tick, 0), 8.5, "soft", "right")
    for tick in xs.ticks(8):
        canvas.text(xs(tick), 194, fixed(tick, 0), 8.5, "soft", "center")
    whole = ys(score.miou.value * 100)
    canvas.line([44, width - 20], [whole, whole], "soft", 1.0, dashes=(4, 3))
    canvas.text(width - 22, whole - 8, "whole images", 8.5, "soft", "right")
    canvas.line([xs(w) for w, _ in known], [ys(v) for _, v in known], "accent", 2.0)
    canvas.text(44, 6, "mean IOU, %", 8.5, "soft")
    canvas.text((44 + width) / 2, 210, f"pixels around {score.trimap_around}", 8.5, "soft", "center")
    return canvas.svg("trimap", "Mean IOU near boundaries", "By the width of the band that is scored.")


def matrix_chart(score: Score, width: float = WIDE) -> str:
    """Draw the confusion matrix, each row as shares of a class's ground truth."""
    names = [c.name for c in score.classes]
    counts = score.counts[:, : len(names)].astype(float)
    total = score.counts.sum(axis=1, keepdims=True).astype(float)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    left = min(0.3 * width, max(text_width(name, 8) for name in names) + 10)
    cell = min(26.0, (width - left) / len(names))
    canvas = Canvas(width, 14 + cell * len(names) + 16)
    for i, name in enumerate(names):
        canvas.text(left - 6, 10 + cell * (i + 0.5), shortened(name, left - 12, 8), min(8.0, cell), "soft", "right")
        canvas.text(left + cell * (i + 0.5), 18 + cell * len(names), str(i), min(7.0, cell * 0.6), "soft", "center")
        for j in range(len(names)):
            share = float(shares[i, j])
            if share >= 0.005:
                x, y = left + cell * j, 10 + cell * i
                canvas.box(x + 0.5, y + 0.5, cell - 1, cell - 1, "accent" if i == j else "row2", 0.08 + 0.85 * share)
                if cell >= 20:
                    canvas.text(x + cell / 2, y + cell / 2, f"{share * 100:.0f}", 7,
                                "raised" if share > 0.55 else "ink", "center")  # fmt: skip
    caption = "Rows: ground truth; columns: prediction, in the same order; per cent of the row's pixels, from 0.5 %."
    return canvas.svg("matrix", "Confusion matrix", caption)
