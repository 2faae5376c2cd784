"""A claim checked against the paper's own published numbers, without any training.

Two questions, both of what the judge asks too: of every comparison, or of their mean, as the claim's `over` says. Does
the sentence hold on what was printed? And are the numbers far enough apart to tell? The papers print single runs. The
only hint that they give of what another run would say is v3 Table 11: six trainings that differ in the number of
asynchronous replicas, 77.21, 77.15, 76.79, 77.02, 77.18, 76.69, have a standard deviation of 0.22 points. (Runs that
others repeated on the same validation set agree: 0.17 for DeepLab v2 five times, zhaozhengChen/ReCAM issue 23; 0.17 for
v3+ three times, LiheYoung/UniMatch issue 61.) What the choice of validation images adds is nowhere published; see
`IMAGE_ERROR`. Both are hints: a difference below the limit is "too close to tell", which does not say that it is not
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from repro.judge.intervals import mixed_quantile
from repro.judge.result import Published, PublishedEffect, PublishedPair
from repro.judge.significance import contains
from repro.judge.wording import published_note
from repro.spec.claim import Claim
from repro.spec.dataset import VOC_VAL as VOC_VAL
from repro.spec.expand import shared_settings
from repro.spec.load import Suite
from repro.spec.questions import Contrast, Effect, Question, basis, mean_contrast, question
from repro.spec.table import Cell, TableSpec

SEED_DEVIATION = 0.22
"""Points; v3 Table 11, six runs, so 5 degrees of freedom."""
SEED_DOF = 5
IMAGE_ERROR = 0.15
"""Points: standard error that the choice of 1,449 images gives the difference of two similar networks. An order of
magnitude: among networks trained on the embedded scenes (480 images, 3 seeds) that of a difference was 0 to 0.3 times
that of a score, mostly 0.15 to 0.2 times; and a simulated set with VOC's number of classes and images gives a score
one of 0.6 to 1.0."""


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
        note = f"Not a comparison of printed numbers: {claim.why}"
        return Published(claim.id, claim.text, "not testable", basis="printed", note=note)
    cells = tuple(cells)
    question_, on = question(claim, cells), basis(claim, cells)
    as_printed = math.exp if question_.logarithmic else float
    low, high = as_printed(question_.effects[0].low), as_printed(question_.effects[0].high)
    blank = [cell.id for cell in question_.cells if cell.published is None]
    if blank:
        note = f"The paper prints no number for {blank[0]}."
        return Published(claim.id, claim.text, "not testable", claim.over, on, question_.unit, low, high, note=note)
    effects: list[PublishedEffect] = []
    ranked = []
    for alternative in question_.alternatives:
        printed = [_effect(effect, question_, images) for effect in alternative]
        depths = [_depth(effect, question_) for effect in alternative]
        weakest = depths.index(min(depths))
        ranked.append((all(effect.holds for effect in printed), depths[weakest], len(effects) + weakest))
        effects += printed
    holds, _, decisive = max(ranked, key=lambda r: r[:2])
    noisy = any(cell.kind != "computed" for cell in question_.cells) and claim.metric == "miou"
    clear = sum(effect.distance >= effect.limit for effect in effects) if noisy else None
    result = Published(
        claim.id, claim.text, "holds" if holds else "fails", claim.over, on, question_.unit,
        low, high, tuple(effects), decisive, clear,
    )  # fmt: skip
    return replace(result, note=published_note(result, claim.kind))


def _effect(effect: Effect, question_: Question, images: int) -> PublishedEffect:
    """Put one effect to the printed numbers, and each comparison that it is the mean of."""

    def read(contrast: Contrast) -> tuple[float, bool, float, float]:
        value = _value(contrast, question_)
        return (
            math.exp(value) if question_.logarithmic else value,
            contains(value, effect.low, effect.high, question_.strict),
            _limit(contrast, question_, images),
            math.inf if question_.logarithmic else min(abs(value - effect.low), abs(value - effect.high)),
        )

    pairs = tuple(PublishedPair(c.label, tuple(cell for cell, _ in c.weights), *read(c)) for c in effect.contrasts)
    return PublishedEffect(effect.label, *read(mean_contrast(effect)), pairs)


def _depth(effect: Effect, question_: Question) -> float:
    """How far inside its range an effect is as printed; negative outside."""
    value = _value(mean_contrast(effect), question_)
    return min(value - effect.low, effect.high - value)


def _value(contrast: Contrast, question_: Question) -> float:
    """A contrast of printed numbers; rounded away is what binary fractions add to printed ones."""
    printed = {cell.id: cell.published for cell in question_.cells}
    total = 0.0
    for cell, weight in contrast.weights:
        value = printed[cell]
        assert value is not None  # blank cells were turned away
        total += weight * (math.log(value) if question_.logarithmic else value)
    return total if question_.logarithmic else round(total, 9)


def _limit(contrast: Contrast, question_: Question, images: int) -> float:
    """Return the smallest difference (points) that single runs on so many images can tell from none; 0 without noise.

    Cells that differ only in how they are evaluated are one training: its seed noise cancels. The seed part has the
    degrees of freedom of its six runs, the image part infinitely many; a mean has the image part of one comparison, as
    if all of them erred alike on the same images.
    """
    if question_.claim.metric != "miou":
        return 0.0
    by_id = {cell.id: cell for cell in question_.cells}
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
