"""The scores of somebody's predictions as Markdown, HTML, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.judge.intervals import Estimate
from repro.report.blocks import Chart, CommandLine, DataTable, Fold, Part, Section
from repro.report.charts.score_charts import (
    FEW_IMAGES,
    class_chart,
    has_interval,
    matrix_chart,
    rule_chart,
    trimap_chart,
)
from repro.report.content import ClassTable
from repro.report.formats.markdown import bullets, rows, sections_markdown, text
from repro.report.number_format import fixed, signed, span
from repro.report.pictures import Sheet
from repro.scoring.result import ClassScore, Score


@dataclass(frozen=True)
class ScorePage:
    """What a page about predictions needs beside their scores."""

    score: Score
    predictions: str
    truth: str
    """Where both sides were read from, as the user named them."""
    command: str
    version: str
    classes: ClassTable
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


def _class_row(line: ClassScore) -> list[str]:
    shown = interval(line.iou, 1) if has_interval(line) else "too few images" if line.images else "–"
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


def score_sections(page: ScorePage) -> tuple[Section, ...]:
    """Return what a page shows below its head: in HTML with charts, in Markdown as tables."""
    score = page.score
    widths = [k for k in (0, 1, 2, 4, 9, 19, 39) if k < len(score.trimap)]
    bands = DataTable(
        "bands",
        ("Width, px", *(str(score.trimap[k][0]) for k in widths)),
        (("Mean IOU %", *(percent(score.trimap[k][1]) for k in widths)),),
        tuple(range(1, len(widths) + 1)),
    )
    rules = DataTable("rules", ("Rule", "Used by", "%", "Difference"), tuple(map(tuple, _rule_rows(page))), (2, 3))
    head = ("Class", "IOU %", "95 % interval", "Share of pixels %", "Images")
    classes = DataTable("class", head, tuple(tuple(_class_row(line)) for line in score.classes), (1, 2, 3, 4))
    shown = (*score.worst(), *score.best()[::-1])
    images = DataTable("images", ("Image", "Its own mean IOU %"), tuple((i.name, percent(i.miou)) for i in shown), (1,))
    around = f"Mean IOU of the pixels in a band around {score.trimap_around} (v2, section 4.1.2; v3+, section 4.4)."
    by_size = "Sorted by each image's own mean IOU, lowest first."
    by_rule = (
        "A gap between two numbers may be only a gap between two rules of counting. Numbers by different rules must "
        "not be compared. Differences are points from the papers' rule."
    )
    matrix = "Rows are ground truth, columns predictions, both in the classes' order; per cent of a row's pixels."
    pictures = Part("sections/score_pictures.html.j2", lambda: _sheets(page), (images,)) if page.sheets else images
    return (
        Section("rules", "The same predictions by other rules", by_rule, (
            Chart("Mean IOU by rule", lambda width: rule_chart(score, width)),
            Fold("The numbers, and who counts so", (rules,)),
        ), folded=False),
        Section("pictures", "Worst and best images", by_size, (pictures,)),
        Section("by-class", "Classes", "", (
            Chart("IOU by class", lambda width: class_chart(score, width)),
            Fold("IOU of each class", (classes,)),
        ), folded=False),
        Section("trimap", "Near boundaries", around, (
            Chart("Mean IOU by width of the band", lambda width: trimap_chart(score, width)),
            Fold("The numbers", (bands,)),
        ), folded=False),
        Section("confusion", "Confusion matrix", matrix, (
            Chart("Confusion matrix", lambda width: matrix_chart(score, width)),
        ), folded=False),
        Section("command", "The command", f"Ground truth: {page.truth}. repro {page.version}.", (
            CommandLine(page.command),
        ), folded=False),
    )  # fmt: skip


def score_markdown(page: ScorePage) -> str:
    """Return the page as Markdown."""
    blocks = [
        f"# Scores of {text(page.predictions)}",
        text(page.headline),
        *(text(line) for line in page.judgement),
        rows(("", ""), [[name, value] for name, value in _summary(page.score)], (1,)),
        bullets(text(line) for line in page.notes),
        *sections_markdown(section for section in score_sections(page) if section.name != "confusion"),
    ]
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
    from repro.report.formats.html import json_block, render, with_markup

    view: dict[str, Any] = {
        "page": page,
        "facts": [{"name": name, "value": value} for name, value in _summary(page.score)],
        "sections": with_markup(score_sections(page)),
        "version": page.version,
        "data": json_block(score_document(page)),
    }
    return render("score.html.j2", view)


def _sheets(page: ScorePage) -> dict[str, Any]:
    return {
        "sheets": [
            {"sheet": sheet, "own": percent(own), "answer": sheet.predictions[0]}
            for sheet, own in zip(page.sheets, _shown_scores(page), strict=True)
        ],
        "swatches": [(n, "rgb({},{},{})".format(*c)) for n, c in _swatches(page.classes)],
    }


def _swatches(classes: ClassTable) -> Sequence[tuple[str, tuple[int, int, int]]]:
    return [(name, colour) for name, colour in zip(classes.names, classes.colours, strict=False)]


def _shown_scores(page: ScorePage) -> list[float]:
    by_name = {image.name: image.miou for image in page.score.images}
    return [by_name[sheet.name] for sheet in page.sheets]


def score_files(page: ScorePage, formats: Sequence[str]) -> dict[str, str]:
    """Return file name -> text for the formats md, html, json and csv."""
    makers = {
        "md": lambda: score_markdown(page),
        "html": lambda: score_html(page),
        "json": lambda: json.dumps(score_document(page), indent=1, ensure_ascii=False) + "\n",
        "csv": lambda: score_csv(page),
    }
    return {f"score.{name}": makers[name]() for name in formats}
