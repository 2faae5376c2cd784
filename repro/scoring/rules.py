"""The same predictions by every rule of counting in use: a gap that is only a rule shows at once.

docs/mean-iou.md says where each rule comes from and what it does in other cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.metrics import miou_of_sums
from repro.scoring.tally import BATCH, Tally

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RuleScore:
    """A rule of counting and what it makes of the predictions."""

    name: str
    used_by: str
    """The library or habit that counts so."""
    value: float
    """In [0, 1]; NaN where the rule gives nothing."""
    papers: bool = False
    """The papers' own rule, or another one that is equal to it here by definition."""


@dataclass(frozen=True)
class _Sums:
    """(..., C) float64 pixels."""

    right: Floats
    truth: Floats
    predicted: Floats

    @property
    def union(self) -> Floats:
        return np.asarray(self.truth + self.predicted - self.right)


def rule_scores(total: Tally) -> tuple[RuleScore, ...]:
    """Return every rule's mean IOU, the papers' own first."""
    counts = total.counts.astype(np.float64)
    classes = len(counts) - 1
    whole = _sums(counts[:classes])
    images = _Sums(*(total.images[:, k].astype(np.float64) for k in range(3)))
    with_void = counts[:classes].copy()
    with_void[0] += counts[classes]
    batches = _Sums(*(total.batches[:, k].astype(np.float64) for k in range(3)))
    rules: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("absent classes count 1", "smp `iou_score`, macro (`zero_division`)", lambda: _mean(whole, 1.0)),
        ("absent classes count 0", "a division by at least 1", lambda: _mean(whole, 0.0)),
        ("absent classes are NaN in the mean", "`np.mean` of 0 / 0", lambda: _mean(whole, np.nan)),
        ("classes without ground truth dropped", "a mean over the classes of the ground truth",
         lambda: _mean(whole, only=whole.truth > 0)),
        ("void is background", "labels read with void as class 0", lambda: _mean(_sums(with_void))),
        ("mean over images", "the mean of each image's own mean IOU", lambda: _over(images)),
        ("mean over images, absent classes 1", "smp, macro-imagewise", lambda: _over(images, 1.0)),
        ("mean over pairs of image and class", "many training loops", lambda: _over_pairs(images)),
        ("the same, void is background", "torchmetrics `MeanIoU` (it knows no void)",
         lambda: _over_pairs(_background(total, images))),
        (f"mean over batches of {BATCH}", "a running average in a validation loop", lambda: _over(batches)),
        ("all classes' pixels in one fraction", "smp, micro", lambda: _micro(whole)),
        ("the same, a mean over images", "smp, micro-imagewise", lambda: _micro_images(images)),
        ("labels at half size", "labels resized with the images",
         lambda: _mean(_sums(total.halved.astype(np.float64)))),
    )  # fmt: skip
    papers = RuleScore("the papers' rule", "DeepLab, PASCAL VOC; torchmetrics `JaccardIndex`", _mean(whole), True)
    return (papers, *(RuleScore(name, used, value()) for name, used, value in rules))


def image_scores(total: Tally) -> Floats:
    """Return each image's own mean IOU, (N,); NaN where all of it is void."""
    right, truth, predicted = (total.images[:, k].astype(np.float64) for k in range(3))
    return miou_of_sums(right, truth + predicted - right)


def _sums(counts: Floats) -> _Sums:
    classes = len(counts)
    return _Sums(np.diagonal(counts).copy(), counts.sum(axis=1), counts[:, :classes].sum(axis=0))


def _iou(sums: _Sums, absent: float | None) -> Floats:
    union = sums.union
    fill = np.nan if absent is None else absent
    return np.divide(sums.right, union, out=np.full_like(union, fill), where=union > 0)


def _mean(sums: _Sums, absent: float | None = None, only: NDArray[np.bool_] | None = None) -> float:
    """Mean over classes; `absent`: the value of a class that does not occur, None: left out."""
    iou = _iou(sums, absent)
    kept = only if only is not None else np.ones_like(iou, bool) if absent is not None else ~np.isnan(iou)
    return float(iou[kept].mean()) if kept.any() else float("nan")


def _over(parts: _Sums, absent: float | None = None) -> float:
    """Mean over images or batches of each one's mean IOU."""
    if absent is not None:
        return float(_iou(parts, absent).mean())
    own = miou_of_sums(parts.right, parts.union)
    own = own[~np.isnan(own)]
    return float(own.mean()) if own.size else float("nan")


def _over_pairs(images: _Sums) -> float:
    iou = _iou(images, None)
    iou = iou[~np.isnan(iou)]
    return float(iou.mean()) if iou.size else float("nan")


def _background(total: Tally, images: _Sums) -> _Sums:
    """Each image's sums with its void as class 0."""
    void = total.images[:, 3].astype(np.float64)
    unanswered = total.images[:, 4, 0].astype(np.float64)
    right, truth = images.right.copy(), images.truth.copy()
    right[:, 0] += void[:, 0]
    truth[:, 0] += unanswered
    return _Sums(right, truth, images.predicted + void)


def _micro(sums: _Sums) -> float:
    union = float(sums.union.sum())
    return float(sums.right.sum()) / union if union else float("nan")


def _micro_images(images: _Sums) -> float:
    right, union = images.right.sum(axis=1), images.union.sum(axis=1)
    return float(np.divide(right, union, out=np.ones_like(right), where=union > 0).mean())
