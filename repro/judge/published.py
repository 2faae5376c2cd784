"""A claim put to the paper's own printed numbers, without any training.

Two questions. Does the sentence hold on what was printed, every pair of it? And are the numbers far enough apart to
tell? The papers print single runs. The only hint that they give of what another run would say is v3 Table 11: six
trainings that differ in the number of asynchronous replicas, 77.21, 77.15, 76.79, 77.02, 77.18, 76.69, have a standard
deviation of 0.22 points. (Runs that others repeated on the same validation set agree: 0.17 for DeepLab v2 five times,
zhaozhengChen/ReCAM issue 23; 0.17 for v3+ three times, LiheYoung/UniMatch issue 61.) What the choice of validation
images adds is nowhere published; see `IMAGE_ERROR`. Both are hints: a difference below the limit is "too close to
tell", which does not say that it is not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from repro.judge.intervals import mixed_quantile
from repro.judge.questions import Contrast, Question, question
from repro.judge.result import Published, PublishedPair
from repro.judge.significance import contains
from repro.judge.wording import published_note
from repro.spec.claim import Claim
from repro.spec.expand import shared_settings
from repro.spec.load import Suite
from repro.spec.table import Cell, TableSpec

SEED_DEVIATION = 0.22
"""Points; v3 Table 11, six runs, so 5 degrees of freedom."""
SEED_DOF = 5
IMAGE_ERROR = 0.15
"""Points: standard error that the choice of 1,449 images gives the difference of two similar networks. An order of
magnitude: among networks trained on the embedded scenes (480 images, 3 seeds) that of a difference was 0 to 0.3 times
that of a score, mostly 0.15 to 0.2 times; and a simulated set with VOC's number of classes and images gives a score
one of 0.6 to 1.0."""
VOC_VAL = 1449


def published_images(suite: Suite, table: TableSpec) -> int:
    """Return how many validation images a paper's table was measured on; VOC 2012's where the specs don't say."""
    settings, _ = shared_settings(table)
    dataset = suite.datasets.get(settings.get("data.name", "voc2012"))
    return dataset.splits.get(settings.get("data.val_split", dataset.val_split), VOC_VAL) if dataset else VOC_VAL


def audit(claim: Claim, cells: Iterable[Cell], images: int = VOC_VAL) -> Published:
    """Put a claim to the printed numbers of its cells (`Suite.cells_of`), measured on so many validation images.

    Status "not testable": a text, or a number that was not printed.
    """
    if claim.kind == "text":
        return Published(claim.id, claim.text, "not testable", note=f"Not a comparison of printed numbers: {claim.why}")
    asked = question(claim, cells)
    effects = asked.effects
    low, high = effects[0].low, effects[0].high
    blank = [cell.id for cell in asked.cells if cell.published is None]
    if blank:
        note = f"The paper prints no number for {blank[0]}."
        return Published(claim.id, claim.text, "not testable", asked.unit, low, high, note=note)
    places = [(e, c) for e in effects for c in e.contrasts]
    values = [_value(contrast, asked) for _, contrast in places]
    limits = [_limit(contrast, asked, images) for _, contrast in places]
    held = [contains(v, e.low, e.high, asked.strict) for v, (e, _) in zip(values, places, strict=True)]
    depth = [min(v - e.low, e.high - v) for v, (e, _) in zip(values, places, strict=True)]
    as_printed = math.exp if asked.logarithmic else float
    pairs = tuple(
        PublishedPair(
            contrast.label, tuple(cell for cell, _ in contrast.weights), as_printed(v), h, limit, _distance(v, claim)
        )
        for (_, contrast), v, h, limit in zip(places, values, held, limits, strict=True)
    )
    first = 0
    ranked = []
    for effects_of in asked.alternatives:
        span = range(first, first + sum(len(e.contrasts) for e in effects_of))
        first = span.stop
        ranked.append((all(held[k] for k in span), min(span, key=lambda k: depth[k])))
    holds, weakest = max(ranked, key=lambda r: (r[0], depth[r[1]]))
    noisy = any(cell.kind != "computed" for cell in asked.cells) and claim.metric == "miou"
    clear = sum(pair.distance >= pair.limit for pair in pairs) if noisy else None
    result = Published(
        claim.id, claim.text, "holds" if holds else "fails", asked.unit,
        as_printed(low), as_printed(high), pairs[weakest].value, weakest, pairs, clear,
    )  # fmt: skip
    return replace(result, note=published_note(result, claim.kind))


def _value(contrast: Contrast, asked: Question) -> float:
    """A contrast of printed numbers; rounded away is what binary fractions add to printed ones."""
    printed = {cell.id: cell.published for cell in asked.cells}
    total = 0.0
    for cell, weight in contrast.weights:
        value = printed[cell]
        assert value is not None  # blank cells were turned away
        total += weight * (math.log(value) if asked.logarithmic else value)
    return total if asked.logarithmic else round(total, 9)


def _limit(contrast: Contrast, asked: Question, images: int) -> float:
    """Return the smallest difference (points) that single runs on so many images can tell from none; 0 without noise.

    Cells that differ only in how they are evaluated are one training: its seed noise cancels. The seed part has the
    degrees of freedom of its six runs, the image part infinitely many.
    """
    if asked.claim.metric != "miou":
        return 0.0
    by_id = {cell.id: cell for cell in asked.cells}
    trainings: dict[object, float] = {}
    for cell, weight in contrast.weights:
        key = _training(by_id[cell])
        trainings[key] = trainings.get(key, 0.0) + weight
    seed = SEED_DEVIATION**2 * sum(weight**2 for weight in trainings.values())
    image = IMAGE_ERROR**2 * VOC_VAL / images
    return mixed_quantile(0.025, seed / (seed + image), SEED_DOF, math.inf) * math.sqrt(seed + image)


def _training(cell: Cell) -> object:
    if not cell.settings:
        return cell.id
    return cell.table, tuple(sorted((k, str(v)) for k, v in cell.settings.items() if not k.startswith("evaluate.")))


def _distance(value: float, claim: Claim) -> float:
    """How far a printed difference is from the nearest one that would speak otherwise."""
    if claim.kind == "equal":
        return abs((claim.tolerance or 0.0) - abs(value))
    if claim.kind == "ratio":
        return math.inf
    return abs(value - claim.margin)
