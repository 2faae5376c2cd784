"""What a folder of predictions scores: mean IOU with an interval over images, and everything that explains it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.judge.bounded import effective_images
from repro.judge.bounded import share as share_of
from repro.judge.intervals import REPLICATES, Estimate, replicate_miou, resample_images, widened
from repro.metrics import miou
from repro.scoring.matrix import Counts, Floats, Scores, scores
from repro.scoring.pairs import LabelPair
from repro.scoring.rules import RuleScore, image_scores, rule_scores
from repro.scoring.tally import Reading, Tally, tally

SHOWN = 4
"""So many of the worst and of the best images are shown."""
AT_ONCE = 4_000_000
"""Weights of bootstrap replicates held in memory at a time."""


@dataclass(frozen=True)
class ImageScore:
    """One image's own score."""

    name: str
    miou: float
    """Mean IOU over the classes in its ground truth or prediction, [0, 1]; NaN where all of it is void."""


@dataclass(frozen=True)
class ClassScore:
    """One class over the whole set."""

    name: str
    iou: Estimate
    """[0, 1] with a 95 % interval over images; NaN where the class is in neither ground truth nor prediction."""
    share: float
    """Of the counted ground truth's pixels."""
    images: int
    """With the class in their ground truth."""


@dataclass(frozen=True)
class Score:
    """The scores of a set of predictions. Shares in [0, 1]."""

    miou: Estimate
    """With a 95 % interval over the choice of images; other seeds of the same network are not in it."""
    whole: Scores
    classes: tuple[ClassScore, ...]
    rules: tuple[RuleScore, ...]
    """The papers' first."""
    trimap: tuple[tuple[int, float], ...]
    """(width in px, mean IOU of the band), v2 section 4.1.2."""
    trimap_around: str
    """What the bands lie around: "void" or "class transitions"."""
    counts: Counts
    """(C, C + 1) pixels, [ground truth, prediction]; the last column is pixels without an answer."""
    images: tuple[ImageScore, ...]
    """In the order of their names."""
    missing: int
    """Images of the ground truth that have no prediction and were left out (`--partial`)."""

    def worst(self) -> tuple[ImageScore, ...]:
        """Return the images with the lowest scores of their own, lowest first."""
        return self._ordered()[:SHOWN]

    def best(self) -> tuple[ImageScore, ...]:
        """Return the images with the highest scores of their own, highest first."""
        return self._ordered()[::-1][: min(SHOWN, max(0, len(self._ordered()) - SHOWN))]

    def _ordered(self) -> tuple[ImageScore, ...]:
        return tuple(sorted((i for i in self.images if not np.isnan(i.miou)), key=lambda i: (i.miou, i.name)))


def score_pairs(
    pairs: Sequence[LabelPair], reading: Reading, names: Sequence[str], jobs: int = 1, missing: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Score:  # fmt: skip
    """Read and count all pairs and return their scores. `names` are the classes' names, in label order."""
    return result_of(tally(pairs, reading, jobs, progress), [pair.name for pair in pairs], names, missing)


def result_of(total: Tally, images: Sequence[str], names: Sequence[str], missing: int = 0) -> Score:
    """Return the scores of what was counted."""
    classes = len(names)
    counts = total.counts[:classes]
    whole = scores(counts)
    right, truth, predicted = (total.images[:, k].astype(np.float64) for k in range(3))
    union = truth + predicted - right
    replicates, class_replicates = _bootstrap(right, union)
    share = truth.sum(axis=0) / max(truth.sum(), 1)
    own = image_scores(total)
    return Score(
        share_of(np.array([whole.miou]), replicates[None], len(images)),
        whole,
        tuple(
            ClassScore(
                name,
                share_of(np.array([whole.class_iou[k]]), class_replicates[None, :, k], effective_images(union[:, k])),
                float(share[k]),
                int((truth[:, k] > 0).sum()),
            )
            for k, name in enumerate(names)
        ),
        rule_scores(total),
        tuple((w + 1, float(miou(band))) for w, band in enumerate(total.bands)),
        "void" if total.has_void else "class transitions",
        counts,
        tuple(ImageScore(name, float(value)) for name, value in zip(images, own, strict=True)),
        missing,
    )


def _bootstrap(right: Floats, union: Floats) -> tuple[Floats, Floats]:
    """(N, C) pixels -> mean IOU (B,) and IOU by class (B, C) of bootstrap replicates over images."""
    rng = np.random.default_rng(0)
    spread = widened(right, union)
    step = max(1, AT_ONCE // len(right))
    means: list[Floats] = []
    by_class: list[NDArray[np.float64]] = []
    for start in range(0, REPLICATES, step):
        weights = resample_images(len(right), min(step, REPLICATES - start), rng)
        means.append(replicate_miou(spread, union, weights))
        both, either = weights @ spread, weights @ union
        by_class.append(np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0))
    return np.concatenate(means), _filled(np.concatenate(by_class))


def _filled(replicates: Floats) -> Floats:
    """Replicates without a rare class repeat its mean: they say nothing of its IOU."""
    present = ~np.isnan(replicates)
    mean = np.where(present, replicates, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return np.where(present, replicates, mean)
