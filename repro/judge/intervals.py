"""Intervals of a mean over seeds, of two parts: validation images and training seeds.

A score depends on which images it was measured on and on which seed it was trained with. Both are samples: other
images and other seeds would have given another score. With scores y[s] of n seeds on the same N images, the model is

    y[s] = mu + image effect (shared by all seeds) + seed effect[s] + (seed x image) effect[s]

and the variance of the mean over seeds is  Var(images) + (Var(seeds) + Var(seed x image)) / n.  The second term is
estimated by s^2 / n, s the standard deviation over seeds, which contains both of its parts. The first is what two
different seeds have in common when images are resampled: the mean covariance between different seeds' bootstrap
replicates. (The variance of the replicates' mean would count seed x image twice; for a difference of two similar
networks that part is most of it.) This is the estimate of Obuchowski and Rockette for readers and cases in diagnostic
studies (Communications in Statistics B 24, 1995), with seeds as readers. A percentile bootstrap over few seeds is not
used: with 3 seeds its 95 % interval covers about 75 %.

How many standard errors make 95 %? Student's t with n - 1 degrees of freedom for the seeds' part, with N - 1 for the
images', and for their sum a mean of the two quantiles, weighted by the seeds' share of the variance: Cochran's rule
(Biometrics 20, 1964), but for the share's power `MIXING`. The usual degrees of freedom of Welch and Satterthwaite fall
short where a small s by chance makes them large: down to 92.2 % with 3 seeds, 87.5 % with 2. Cochran's power 1 covers
up to 97.2 % with 3 seeds; 1.2 keeps between 94.8 and 96.8 % for any mix of the parts from 3 seeds on (93.1 to 97.3 %
with 2). Degrees of freedom are stated as those of the one Student's t with the same 95 % quantile.

One seed shows nothing of the seeds' part. Where reference runs of the same protocol are at hand, s is that of their
seeds, with their degrees of freedom (`repro.judge.reference`). The images' part is then the variance of this one run's
replicates, which holds seed x image as well, and so does s: counted twice, it makes such intervals somewhat too wide,
which leaves room for what another machine adds.

The same functions serve a cell (y = scores) and a comparison (y = paired differences or any other contrast).
Axes: scores (n,) by seed; replicates (n, B) by seed and bootstrap replicate, the same images in column b of every seed
and every cell; matrices (N, C, C) by image, [truth, prediction].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from repro.metrics import Floats, class_sums, function_of, miou_of_sums
from repro.spec.metric import MIOU, Metric

REPLICATES = 2000
LEVEL = 0.95
MIXING = 1.2
"""Power of the seeds' share of the variance; see above. Chosen by simulation, which a test repeats."""
AT_ONCE = 16_000_000
"""Numbers of replicates' matrices held in memory at a time."""
SMALLEST_TAIL = 1e-12
"""Probabilities below are not told apart."""

Covers = Literal["images and seeds", "seeds only", "images only", "nothing", "exact"]


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty; every field but the counts has the unit of the scores put in."""

    value: float
    low: float
    """Lower end of the 95 % interval; NaN if `covers` is "nothing"."""
    high: float
    standard_error: float
    """0 if exact, NaN if `covers` is "nothing"."""
    dof: float
    """Degrees of freedom of the Student's t with the interval's quantile; infinite if exact."""
    seeds: int
    images: int | None
    """Validation images behind the image part; None if there is none."""
    seed_error: float
    """The seeds' part of the standard error, s / sqrt(n); NaN with one seed."""
    image_error: float
    """The images' part of the standard error; NaN if no per-image matrices were given."""
    covers: Covers
    """What the interval accounts for; "images only" with one seed, "nothing" with one seed and no matrices."""
    reference_seeds: int = 0
    """Seeds of the reference runs that `seed_error` is taken from; 0 where it is that of the seeds themselves."""

    @property
    def seed_dof(self) -> int:
        """Degrees of freedom of `seed_error`."""
        return (self.reference_seeds or self.seeds) - 1


def resample_images(images: int, replicates: int, rng: np.random.Generator) -> Floats:
    """Return bootstrap weights (replicates, images) float64: how often each replicate drew each image.

    Every row sums to `images`. One set of weights serves all cells measured on the same images: that pairs them.
    """
    draws = rng.integers(0, images, size=(replicates, images))
    draws += np.arange(replicates)[:, None] * images
    counts = np.bincount(draws.ravel(), minlength=replicates * images)
    return counts.reshape(replicates, images).astype(np.float64)


def widened(intersection: Floats, union: Floats) -> Floats:
    """Return intersections (N, C) of images whose resampling shows the full spread of mean IOU.

    An image that holds much of a class draws the class's IOU to itself, so that its distance from what that IOU lets
    expect, intersection - IOU x union, comes out too small. It is divided by sqrt(1 - share), share being the image's
    part of the class's union: the HC2 correction of regression residuals (MacKinnon and White, Journal of Econometrics
    29, 1985). With 40 images and 12 classes it brings coverage from 90 to 93 %; with 1,449 it hardly matters.
    """
    total = union.sum(axis=0)
    present = total > 0
    iou = np.divide(intersection.sum(axis=0), total, out=np.zeros_like(total), where=present)
    share = np.divide(union, total, out=np.zeros_like(union), where=present)
    distance = intersection - iou * union
    spread: Floats = np.divide(distance, np.sqrt(1 - share), out=np.zeros_like(distance), where=share < 1)
    return np.asarray(iou * union + spread)


def replicate_miou(intersection: Floats, union: Floats, weights: Floats) -> Floats:
    """Return mean IOU (B,) in [0, 1] of each bootstrap replicate.

    `intersection` and `union` (N, C) by image and class; `weights` (B, N) from `resample_images`.
    """
    classes = intersection.shape[-1]
    sums = weights @ np.concatenate([intersection, union], axis=1)
    return miou_of_sums(sums[:, :classes], sums[:, classes:])


def bootstrap_miou(matrices: NDArray[np.integer], weights: Floats) -> Floats:
    """Return the replicates (B,) of mean IOU that intervals are made from; `matrices` (N, C, C) counts per image."""
    intersection, union = class_sums(matrices)
    return replicate_miou(widened(intersection, union), union, weights)


def bootstrap(metric: Metric, matrices: NDArray[np.integer], weights: Floats) -> Floats:
    """Return the replicates (B,) of a metric of images' matrices (N, C, C)."""
    if metric == MIOU:  # two rows of an image say it all
        return bootstrap_miou(matrices, weights)
    classes = matrices.shape[-1]
    rows = widened_rows(matrices).reshape(len(matrices), -1)
    step = max(1, AT_ONCE // rows.shape[1])
    function = function_of(metric)
    parts = [
        function(np.maximum(weights[k : k + step] @ rows, 0.0).reshape(-1, classes, classes))
        for k in range(0, len(weights), step)
    ]
    return np.concatenate(parts)


def widened_rows(matrices: NDArray[np.integer]) -> Floats:
    """Return matrices (N, C, C) of images whose resampling shows the full spread of any metric, as `widened` does.

    What an image's pixels of a class are taken for is set farther from what the whole set lets expect, by its share of
    that class's pixels; the ground truth stays.
    """
    counts = matrices.astype(np.float64)
    total, truth = counts.sum(axis=0), counts.sum(axis=-1, keepdims=True)
    of_class = total.sum(axis=-1, keepdims=True)
    expected = truth * np.divide(total, of_class, out=np.zeros_like(total), where=of_class > 0)
    share = np.divide(truth, of_class, out=np.zeros_like(truth), where=of_class > 0)
    root = np.broadcast_to(np.sqrt(1 - share), counts.shape)
    return np.asarray(expected + np.divide(counts - expected, root, out=np.zeros_like(counts), where=root > 0))


def bootstrap_image_mean(metric: Metric, matrices: NDArray[np.integer], weights: Floats) -> Floats:
    """Return the replicates (B,) of the mean over images of their own value; images without one are left out."""
    own = function_of(metric)(matrices)
    there = ~np.isnan(own)
    total, count = weights @ np.where(there, own, 0.0), weights @ there
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))


def image_variance(replicates: Floats) -> float:
    """Return the variance due to the choice of images, of a mean over seeds, from replicates (n, B).

    The mean covariance between different seeds, not below 0; with one seed the variance of its replicates.
    """
    seeds = len(replicates)
    covariance: Floats = np.atleast_2d(np.cov(replicates))
    if seeds == 1:
        return float(covariance[0, 0])
    shared = float(covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1))
    return max(shared, 0.0)


def mixed_quantile(tail: float, seed_share: float, seed_dof: float, image_dof: float) -> float:
    """Return the number of standard errors exceeded with probability `tail` (below 0.5) by an estimate of two parts.

    `seed_share`: the seeds' share of the variance. Student's t of each part, mixed by share ** MIXING.
    """
    seeds, images = t_quantile(1 - tail, seed_dof), t_quantile(1 - tail, image_dof)
    return images + (seeds - images) * float(seed_share**MIXING)


def estimate(
    scores: Floats, replicates: Floats | None = None, images: int | None = None, reference: Floats | None = None
) -> Estimate:
    """Return the mean over seeds with its 95 % interval.

    `scores` (n,), `replicates` (n, B) or None if no per-image matrices are stored; `images` is N, then needed.
    `reference` (m,), m > 1: scores of reference runs with m seeds, of which the seeds' part is taken; for one seed.
    """
    seeds = len(scores)
    value = float(np.mean(scores))
    seed_error = float(np.std(scores, ddof=1)) / math.sqrt(seeds) if seeds > 1 else math.nan
    borrowed = 0
    if seeds == 1 and reference is not None:
        seed_error, borrowed = float(np.std(reference, ddof=1)), len(reference)
    image_error = math.nan
    if replicates is not None and images is not None and images > 1:
        image_error = math.sqrt(image_variance(replicates))
    covers = _covers(seed_error, image_error)
    if covers == "nothing":
        return Estimate(value, math.nan, math.nan, math.nan, 0.0, seeds, None, math.nan, math.nan, "nothing")
    error = math.sqrt(sum(part**2 for part in (seed_error, image_error) if not math.isnan(part)))
    ends = Estimate(value, value, value, error, 0.0, seeds, images, seed_error, image_error, covers, borrowed)
    times = quantile((1 - LEVEL) / 2, ends)
    half, dof = times * error, dof_of_quantile(1 - (1 - LEVEL) / 2, times)
    return Estimate(
        value, value - half, value + half, error, dof, seeds,
        None if math.isnan(image_error) else images, seed_error, image_error, covers, borrowed,
    )  # fmt: skip


def _covers(seed_error: float, image_error: float) -> Covers:
    if math.isnan(image_error):
        return "nothing" if math.isnan(seed_error) else "seeds only"
    return "images only" if math.isnan(seed_error) else "images and seeds"


def exact(value: float) -> Estimate:
    """Return a number without uncertainty: a computed cell, or a contrast of computed cells."""
    return Estimate(value, value, value, 0.0, math.inf, 0, None, 0.0, 0.0, "exact")


def t_quantile(probability: float, dof: float) -> float:
    """Return the quantile of Student's t; of the normal distribution for infinite degrees of freedom."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if math.isinf(dof) else stdtrit(dof, probability))


def dof_of_quantile(probability: float, quantile: float) -> float:
    """Return the degrees of freedom with which Student's t has this quantile."""
    from scipy.special import stdtridf

    return float(stdtridf(probability, quantile))


def quantile(tail: float, effect: Estimate) -> float:
    """Return how many standard errors an estimate exceeds the truth by with probability `tail` (below 0.5)."""
    if effect.covers != "images and seeds" or effect.images is None:
        return t_quantile(1 - tail, _only_dof(effect))
    share = (effect.seed_error / effect.standard_error) ** 2 if effect.standard_error > 0 else 0.0
    return mixed_quantile(tail, share, effect.seed_dof, effect.images - 1)


def upper_tail(errors: float, effect: Estimate) -> float:
    """Return the probability that an estimate exceeds the truth by so many standard errors; inverse of `quantile`."""
    from scipy.special import stdtr

    if errors < 0:
        return 1.0 - upper_tail(-errors, effect)
    if effect.covers != "images and seeds" or effect.images is None:
        return float(stdtr(_only_dof(effect), -errors))
    if errors == 0 or quantile(SMALLEST_TAIL, effect) <= errors:
        return 0.5 if errors == 0 else SMALLEST_TAIL
    lowest, highest = math.log(SMALLEST_TAIL), math.log(0.5)
    return math.exp(falling_root(lambda x: quantile(math.exp(x), effect) - errors, lowest, highest))


def falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function crosses 0 between `low` and `high`, to 12 digits of their distance.

    By bisection: importing scipy.optimize for it would take a third of the time of a report.
    """
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _only_dof(effect: Estimate) -> float:
    return (effect.images or 1) - 1 if effect.covers == "images only" else effect.seed_dof
