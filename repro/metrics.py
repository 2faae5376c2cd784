"""Metrics of segmentation, each a function of a confusion matrix.

Mean IOU by the only rule in this suite: one confusion matrix over the whole set of images; void pixels (255) were never
counted into it; IOU of a class = true positives / (true pixels + predicted pixels - true positives); a class that is
absent from both the truth and the prediction is left out of the mean. Paper v2, v3 and v3+ name the measure only
("pixel intersection-over-union averaged across the classes", v3 section 4); PASCAL VOC's own code defines it so.

Axes: a confusion matrix is (C, C), [truth, prediction], pixel counts. Leading axes (images, seeds) pass through. One
more column, (..., C, C + 1), may hold pixels without an answer: they count as ground truth alone.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from repro.errors import InputError
from repro.spec.implementation import source_of
from repro.spec.metric import MEASURED, Better, Metric

Floats = NDArray[np.float64]
Counts = NDArray[np.integer] | Floats
FromConfusion = Callable[[Counts], Floats]
Average = Literal["set", "image"]


def class_sums(confusion: Counts) -> tuple[Floats, Floats]:
    """Return intersections and unions, each (..., C) float64 pixel counts, of confusion matrices (..., C, C).

    Both are sums over images, so the sums of any set of images are the sums of its images' sums: a bootstrap replicate
    needs these two rows per image, never the whole matrix. Counts below 2**53 are exact in float64.
    """
    intersection = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    prediction = confusion[..., : confusion.shape[-2]].sum(axis=-2, dtype=np.float64)
    return intersection, _truth(confusion) + prediction - intersection


def class_iou(confusion: Counts) -> Floats:
    """Return IOU by class, (..., C) float64 in [0, 1]; NaN where a class is absent from truth and prediction."""
    return _share(*class_sums(confusion))


def miou_of_sums(intersection: Floats, union: Floats) -> Floats:
    """Return mean IOU (...,) float64 in [0, 1] of intersections and unions (..., C); NaN if no class is present."""
    return _mean(_share(intersection, union))


def miou(confusion: Counts) -> Floats:
    """Return mean IOU (...,) float64 in [0, 1] of confusion matrices (..., C, C); NaN if nothing was counted."""
    return miou_of_sums(*class_sums(confusion))


def pixel_accuracy(confusion: Counts) -> Floats:
    """Return the share of pixels (...,) whose class is right; NaN if nothing was counted."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1).sum(axis=-1, dtype=np.float64)
    return _share(right, confusion.sum(axis=(-2, -1), dtype=np.float64))


def mean_accuracy(confusion: Counts) -> Floats:
    """Return the mean (...,) over the classes of the ground truth of the share of their pixels that are right."""
    return _mean(_share(np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64), _truth(confusion)))


def frequency_weighted_iou(confusion: Counts) -> Floats:
    """Return the sum (...,) over classes of their share of the ground truth's pixels times their IOU.

    Long et al., 2015 (arXiv 1411.4038), section 5.
    """
    truth = _truth(confusion)
    weighted = np.where(truth > 0, truth * class_iou(confusion), np.nan)
    return _share(_total(weighted), truth.sum(axis=-1))


def register_metric(
    *, title: str = "", unit: str = "%", better: Better = "higher"
) -> Callable[[FromConfusion], FromConfusion]:
    """Mark a function as a metric that specs can name as "module:function".

    The function gets counts (..., C, C), [truth, prediction], and returns (...,): NaN where nothing was counted. With
    unit "%" it returns shares in [0, 1]; with another unit what is printed. `title` is the function's name unless
    given. All three are read from the source, so each must be written there as it is (docs/extending.md).
    """
    del title, unit  # the source says them
    if better not in ("higher", "lower"):
        raise ValueError(f"better: {better!r} is neither 'higher' nor 'lower'")
    return lambda function: function


@lru_cache(maxsize=64)
def function_of(metric: Metric) -> FromConfusion:
    """Return the function that computes a metric, tried once.

    Raises InputError where its module cannot be imported, or where it does not answer counts (N, C, C) with N numbers.
    """
    module, _, name = metric.from_confusion.partition(":")
    if not metric.is_own:
        own: FromConfusion = globals()[name]
        return own
    home = str(source_of(metric.name, module)[0].parent)
    if home not in sys.path:
        sys.path.insert(0, home)
    try:
        function: FromConfusion = getattr(importlib.import_module(module), name)
        counts = np.random.default_rng(0).integers(0, 100, (3, 4, 4))
        batch, single = function(counts), [float(function(matrix)) for matrix in counts]
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise InputError(f"metric: {metric.name} failed: {reason}.") from error
    if np.shape(batch) != (3,) or not np.allclose(batch, single, equal_nan=True):
        raise InputError(
            f"metric: {metric.name} gives shape {np.shape(batch)} for counts (3, 4, 4), or other numbers than for each "
            "matrix alone. Reduce the last two axes only: axis=(-2, -1), np.diagonal(counts, axis1=-2, axis2=-1)."
        )
    return function


def measured_value(metric: Metric, matrices: NDArray[np.integer], average: Average = "set") -> float:
    """Return a metric of images' matrices (N, C, C) over the whole set; NaN where nothing was counted.

    With `average` "image" the mean over images of their own values, a known mistake: it leaves out, image by image,
    every class that is neither there nor predicted. Raises InputError where the user's own gives no share of [0, 1]
    though its unit is "%".
    """
    function = function_of(metric)
    if average == "image":
        own = [value for matrix in matrices if not np.isnan(value := float(function(matrix)))]
        value = float(np.mean(own)) if own else float("nan")
    else:
        value = float(function(matrices.sum(axis=0, dtype=np.int64)))
    if metric.is_share and not np.isnan(value) and not 0 <= value <= 1:
        raise InputError(f'metric: {metric.name} gives {value:g}; with unit "%" it must lie in [0, 1]. Give it a unit.')
    return value


def measured_values(matrices: NDArray[np.integer], average: Average = "set") -> dict[str, float]:
    """Return every metric of the suite's own by name, as `measured_value`."""
    return {metric.name: measured_value(metric, matrices, average) for metric in MEASURED}


def _truth(confusion: Counts) -> Floats:
    return np.asarray(confusion.sum(axis=-1, dtype=np.float64))


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _total(values: Floats) -> Floats:
    """Sum over classes (..., C), those without a value (NaN) left out."""
    there = ~np.isnan(values)
    if values.ndim == 1:  # zeros in between would change the order in which a sum is rounded, and its last bit
        return np.asarray(values[there].sum())
    return np.asarray(np.where(there, values, 0.0).sum(axis=-1))


def _mean(values: Floats) -> Floats:
    """Mean over classes (..., C), those without a value (NaN) left out; NaN where none has one."""
    return _share(_total(values), (~np.isnan(values)).sum(axis=-1).astype(np.float64))
