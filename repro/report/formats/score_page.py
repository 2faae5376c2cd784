"""The scores of somebody's predictions as Markdown, HTML, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repro.judge.intervals import Estimate
from repro.report.charts.canvas import WIDE, Canvas, padded, text_width
from repro.report.charts.intervals import axis
from repro.report.content import Classes
from repro.report.formats.markdown import fence, rows, text
from repro.report.number_format import fixed, signed, span
from repro.report.pictures import Sheet
from repro.scoring.result import ClassScore, Score

FEW_IMAGES = 10
"""A class in fewer images has no interval that could be trusted."""


@dataclass(frozen=True)
class ScorePage:
    """What a page about predictions needs beside their scores."""

    score: Score
    predictions: str
    truth: str
    """Where both sides were read from, as the user named them."""
    command: str
    version: str
    classes: Classes
    sheets: tuple[Sheet, ...] = ()
    """Worst images first, then the best."""
    judgement: tuple[str, ...] = field(default=())
    """Sentences about a published number that the score is held against."""

    @property
    def headline(self) -> str:
        """The score in one sentence."""
        miou = self.score.miou
        return (
            f"Mean IOU {percent(miou.value)} % by the papers' rule, {interval(miou)} with other images "
            f"(95 % interval); pixel accuracy {percent(self.score.whole.pixel_accuracy)} %."
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of these numbers."""
        score, out = self.score, []
        if score.missing:
            total = score.missing + len(score.images)
            out.append(
                f"{score.missing} of {total} images have no prediction and were left out: this is not a score of the "
                "whole set."
            )
        rare = [c.name for c in score.classes if 0 < c.images < FEW_IMAGES]
        if rare:
            out.append(f"In fewer than {FEW_IMAGES} images, so that their IOU rests on little: {', '.join(rare)}.")
        absent = [c.name for c in score.classes if not c.images]
        if absent:
            out.append(
                f"Not in the ground truth: {', '.join(absent)}. A class that is predicted all the same counts 0 in the "
                "mean; one that is not is left out."
            )
        out.append("The interval covers the choice of images. What another training would change is not in it.")
        return tuple(out)


def percent(value: float, decimals: int = 2) -> str:
    """Return a share as per cent."""
    return fixed(value * 100, decimals)


def interval(estimate: Estimate, decimals: int = 2) -> str:
    """Return the interval of a share in per cent, "62.1 to 65.4"."""
    return span(estimate.low * 100, estimate.high * 100, decimals)


def _rule_rows(page: ScorePage) -> list[list[str]]:
    ours = page.score.rules[0].value
    return [
        [r.name, r.used_by, percent(r.value), "" if r.papers else signed((r.value - ours) * 100)]
        for r in page.score.rules
    ]


def _has_interval(line: ClassScore) -> bool:
    """Whether enough images hold the class, and not nearly all of it in one of them."""
    return line.images >= FEW_IMAGES and line.iou.covers != "nothing"


def _class_row(line: ClassScore) -> list[str]:
    shown = interval(line.iou, 1) if _has_interval(line) else "too few images" if line.images else "–"
    return [line.name, percent(line.iou.value), shown, percent(line.share), str(line.images)]


def _summary(score: Score) -> list[tuple[str, str]]:
    whole = score.whole
    return [
        ("Mean IOU", f"{percent(score.miou.value)} %"),
        ("95 % interval", interval(score.miou)),
        ("Pixel accuracy", f"{percent(whole.pixel_accuracy)} %"),
        ("Mean accuracy", f"{percent(whole.mean_accuracy)} %"),
        ("Frequency-weighted IOU", f"{percent(whole.frequency_weighted_iou)} %"),
        ("Images", f"{len(score.images):,}"),
        ("Pixels counted", f"{whole.pixels:,}"),
    ]


def score_markdown(page: ScorePage) -> str:
    """Return the page as Markdown."""
    score = page.score
    widths = [k for k in (0, 1, 2, 4, 9, 19, 39) if k < len(score.trimap)]
    blocks = [
        f"# Scores of {text(page.predictions)}",
        text(page.headline),
        *(text(line) for line in page.judgement),
        rows(("", ""), [[name, value] for name, value in _summary(score)], (1,)),
        "\n".join(f"- {text(line)}" for line in page.notes),
        "## The same predictions by other rules",
        "Numbers by different rules must not be compared. Difference in points from the papers' rule.",
        rows(("Rule", "Used by", "%", "Difference"), [[text(c) for c in r] for r in _rule_rows(page)], (2, 3)),
        "## Classes",
        rows(("Class", "IOU %", "95 % interval", "Share of pixels %", "Images"),
             [[text(c) for c in _class_row(line)] for line in score.classes], (1, 2, 3, 4)),
        f"## Near {score.trimap_around}",
        "Mean IOU in bands around the boundaries (trimap; v2 Fig. 10, v3+ Fig. 5).",
        rows(("Width, px", *(str(score.trimap[k][0]) for k in widths)),
             [["Mean IOU %", *(percent(score.trimap[k][1]) for k in widths)]]),
        "## Worst and best images",
        rows(("Image", "Its own mean IOU %"),
             [[text(i.name), percent(i.miou)] for i in (*score.worst(), *score.best()[::-1])], (1,)),
        "## Made with",
        fence(page.command),
        f"Ground truth: {text(page.truth)}. repro {page.version}.",
    ]  # fmt: skip
    return "\n\n".join(block for block in blocks if block) + "\n"


def score_document(page: ScorePage) -> dict[str, Any]:
    """Return everything as plain data for JSON; shares in [0, 1], None where there is no number."""
    score = page.score
    return {
        "schema": 1,
        "predictions": page.predictions,
        "ground_truth": page.truth,
        "command": page.command,
        "version": page.version,
        "images": len(score.images),
        "missing": score.missing,
        "pixels": score.whole.pixels,
        "miou": _number(score.miou.value),
        "miou_low": _number(score.miou.low),
        "miou_high": _number(score.miou.high),
        "pixel_accuracy": _number(score.whole.pixel_accuracy),
        "mean_accuracy": _number(score.whole.mean_accuracy),
        "frequency_weighted_iou": _number(score.whole.frequency_weighted_iou),
        "judgement": list(page.judgement),
        "rules": [{"name": r.name, "used_by": r.used_by, "miou": _number(r.value)} for r in score.rules],
        "classes": [
            {"name": c.name, "iou": _number(c.iou.value), "low": _number(c.iou.low), "high": _number(c.iou.high),
             "share": c.share, "images": c.images}
            for c in score.classes
        ],
        "trimap_around": score.trimap_around,
        "trimap": [{"width_px": width, "miou": _number(value)} for width, value in score.trimap],
        "confusion": score.counts.tolist(),
        "image_scores": [{"name": i.name, "miou": _number(i.miou)} for i in score.images],
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def score_csv(page: ScorePage) -> str:
    """Return one line per number: kind, name, value, low, high; shares in [0, 1]."""
    score = page.score
    lines: list[tuple[str, str, float, float, float]] = [
        ("set", "miou", score.miou.value, score.miou.low, score.miou.high)
    ]
    nan = math.nan
    whole = score.whole
    for name in ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"):
        lines.append(("set", name, getattr(whole, name), nan, nan))
    lines += [("rule", r.name, r.value, nan, nan) for r in score.rules]
    lines += [("class", c.name, c.iou.value, c.iou.low, c.iou.high) for c in score.classes]
    lines += [("trimap", str(width), value, nan, nan) for width, value in score.trimap]
    lines += [("image", i.name, i.miou, nan, nan) for i in score.images]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("kind", "name", "value", "low", "high"))
    for kind, name, *values in lines:
        safe = f"'{name}" if name[:1] in "=+-@\t\r" else name
        writer.writerow((kind, safe, *("" if math.isnan(v) else repr(float(v)) for v in values)))
    return buffer.getvalue()


def score_html(page: ScorePage) -> str:
    """Return the page as one self-contained HTML file."""
    from markupsafe import Markup

    from repro.report.formats.html import json_block, render

    score = page.score
    view: dict[str, Any] = {
        "page": page,
        "facts": [{"name": name, "value": value} for name, value in _summary(score)],
        "rules": _rule_rows(page),
        "rule_chart": Markup(rule_chart(page)),
        "class_rows": [_class_row(line) for line in score.classes],
        "class_chart": Markup(class_chart(page)),
        "trimap_chart": Markup(trimap_chart(score)),
        "matrix": Markup(matrix_chart(page)),
        "sheets": [
            {"sheet": sheet, "own": percent(own), "answer": sheet.predictions[0]}
            for sheet, own in zip(page.sheets, _shown_scores(page), strict=True)
        ],
        "swatches": [(n, "rgb({},{},{})".format(*c)) for n, c in _swatches(page.classes)],
        "version": page.version,
        "data": json_block(score_document(page)),
    }
    return render("score.html.j2", view)


def _swatches(classes: Classes) -> Sequence[tuple[str, tuple[int, int, int]]]:
    return [(name, colour) for name, colour in zip(classes.names, classes.colours, strict=False)]


def _shown_scores(page: ScorePage) -> list[float]:
    by_name = {image.name: image.miou for image in page.score.images}
    return [by_name[sheet.name] for sheet in page.sheets]


def rule_chart(page: ScorePage) -> str:
    """Draw what each rule makes of the predictions, on one axis."""
    rules = [r for r in page.score.rules if not math.isnan(r.value)]
    left, step = max(text_width(r.name, 9) for r in rules) + 12, 18.0
    canvas = Canvas(WIDE, 16 + step * len(rules) + 30)
    scale = padded([r.value * 100 for r in rules], left, WIDE - 40, least=2)
    bottom = 10 + step * len(rules)
    axis(canvas, scale, 8, bottom, 6)
    ours = scale(rules[0].value * 100)
    canvas.line([ours, ours], [8, bottom], "accent", 1.2)
    for k, rule in enumerate(rules):
        y = 10 + step * (k + 0.5)
        canvas.text(left - 8, y, rule.name, 9, "ink" if rule.papers else "soft", "right", bold=rule.papers)
        canvas.line([ours, scale(rule.value * 100)], [y, y], "faint", 1.4)
        canvas.marks([scale(rule.value * 100)], [y], "accent" if rule.papers else "soft", "o", 6)
    canvas.text((left + WIDE - 40) / 2, bottom + 24, "mean IOU, %", 8.5, "soft", "center")
    return canvas.svg("rules", "Mean IOU by rule of counting", "The same predictions; the line is the papers' rule.")


def class_chart(page: ScorePage) -> str:
    """Draw each class's IOU with its interval."""
    lines = [c for c in page.score.classes if not math.isnan(c.iou.value)]
    left, step = max((text_width(c.name, 9) for c in lines), default=0) + 12, 16.0
    canvas = Canvas(WIDE, 16 + step * len(lines) + 30)
    scale = padded([0, 100], left, WIDE - 20, share=0.01)
    bottom = 10 + step * len(lines)
    axis(canvas, scale, 8, bottom, 6)
    mean = scale(page.score.miou.value * 100)
    canvas.line([mean, mean], [8, bottom], "accent", 1.2)
    for k, line in enumerate(lines):
        y = 10 + step * (k + 0.5)
        canvas.text(left - 8, y, line.name, 9, "soft", "right")
        if _has_interval(line):
            canvas.line([scale(line.iou.low * 100), scale(line.iou.high * 100)], [y, y], "soft", 2.2, 0.5)
        canvas.marks([scale(line.iou.value * 100)], [y], "accent", "o", 6, hollow=not _has_interval(line))
    canvas.text((left + WIDE) / 2, bottom + 24, "IOU, %", 8.5, "soft", "center")
    words = "Bars are 95 % intervals over images; hollow: too few images hold the class. The line is the mean."
    return canvas.svg("classes", "IOU by class", words)


def trimap_chart(score: Score) -> str:
    """Draw mean IOU by width of the band."""
    known = [(width, value * 100) for width, value in score.trimap if not math.isnan(value)]
    canvas = Canvas(WIDE, 220)
    if not known:
        canvas.text(WIDE / 2, 100, "no boundaries in the ground truth", 9, "soft", "center")
        return canvas.svg("trimap", "Mean IOU near boundaries", "There are none.")
    xs = padded([0, len(score.trimap)], 44, WIDE - 20, share=0.01)
    ys = padded([*(v for _, v in known), score.miou.value * 100], 180, 14)
    for tick in ys.ticks(5):
        canvas.line([44, WIDE - 20], [ys(tick)] * 2, "line", 0.8)
        canvas.text(38, ys(tick), fixed(tick, 0), 8.5, "soft", "right")
    for tick in xs.ticks(8):
        canvas.text(xs(tick), 194, fixed(tick, 0), 8.5, "soft", "center")
    whole = ys(score.miou.value * 100)
    canvas.line([44, WIDE - 20], [whole, whole], "soft", 1.0, dashes=(4, 3))
    canvas.text(WIDE - 22, whole - 8, "whole images", 8.5, "soft", "right")
    canvas.line([xs(w) for w, _ in known], [ys(v) for _, v in known], "accent", 2.0)
    canvas.text(44, 6, "mean IOU, %", 8.5, "soft")
    canvas.text((44 + WIDE) / 2, 210, f"pixels around {score.trimap_around}", 8.5, "soft", "center")
    return canvas.svg("trimap", "Mean IOU near boundaries", "By the width of the band that is scored.")


def matrix_chart(page: ScorePage) -> str:
    """Draw the confusion matrix, each row as shares of a class's ground truth."""
    names = [c.name for c in page.score.classes]
    counts = page.score.counts[:, : len(names)].astype(float)
    total = page.score.counts.sum(axis=1, keepdims=True).astype(float)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    left = max(text_width(name, 8) for name in names) + 10
    cell = min(26.0, (WIDE - left) / len(names))
    canvas = Canvas(WIDE, 14 + cell * len(names) + 16)
    for i, name in enumerate(names):
        canvas.text(left - 6, 10 + cell * (i + 0.5), name, min(8.0, cell), "soft", "right")
        canvas.text(left + cell * (i + 0.5), 18 + cell * len(names), str(i), min(7.0, cell * 0.6), "soft", "center")
        for j in range(len(names)):
            share = float(shares[i, j])
            if share >= 0.005:
                x, y = left + cell * j, 10 + cell * i
                canvas.box(x + 0.5, y + 0.5, cell - 1, cell - 1, "accent" if i == j else "row2", 0.08 + 0.85 * share)
                if cell >= 20:
                    canvas.text(x + cell / 2, y + cell / 2, f"{share * 100:.0f}", 7,
                                "raised" if share > 0.55 else "ink", "center")  # fmt: skip
    words = "Rows: ground truth; columns: prediction, in the same order; per cent of the row's pixels, from 0.5 %."
    return canvas.svg("matrix", "Confusion matrix", words)


def score_files(page: ScorePage, formats: Sequence[str]) -> dict[str, str]:
    """Return file name -> text for the formats md, html, json and csv."""
    makers = {
        "md": lambda: score_markdown(page),
        "html": lambda: score_html(page),
        "json": lambda: json.dumps(score_document(page), indent=1, ensure_ascii=False) + "\n",
        "csv": lambda: score_csv(page),
    }
    return {f"score.{name}": makers[name]() for name in formats}
