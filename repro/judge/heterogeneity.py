"""Do the comparisons that a mean is made of differ by more than noise?

A mean of +1.1 points may come from three comparisons with +4.5 and nine with nothing: a true mean that misleads. With
effects y[k] of K comparisons, each a mean over the same seeds on the same images, the question is Cochran's: is

    Q = sum over k of (y[k] - mean of y)^2

larger than noise makes it? Cochran's own Q (Biometrics 10, 1954) takes independent effects of known variance. These
share seeds, images and often a cell (three grids are held against one baseline), and few seeds estimate their
covariance. So Q is set beside its expectation under noise, the trace of the covariance matrix V of the deviations from
the mean, and Q / trace V is compared with the F distribution of the same first two moments: Box's approximation
(Annals of Mathematical Statistics 25, 1954), for seeds alone the test of Greenhouse and Geisser (Psychometrika 24,
1959). V is the sum of the seeds' part and the images', estimated as in `repro.judge.intervals`, and critical values of
the two are mixed by the same rule. For two comparisons the test is the judge's own test of their difference. It errs on
the safe side with few seeds: with two seeds it finds next to nothing. reports/judge has its rates.

Axes: scores (K, n) by comparison and seed; replicates (K, n, B).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repro.judge.intervals import MIXING, SMALLEST_TAIL, falling_root
from repro.metrics import Floats


@dataclass(frozen=True)
class Heterogeneity:
    """Whether the comparisons behind a mean differ."""

    p: float
    """Probability of effects at least as far apart, if noise alone set them apart; 0 or 1 without noise."""
    spread: float
    """Standard deviation of the comparisons' effects, less what noise adds to it; in their unit, not below 0."""


def heterogeneity(
    scores: Floats, replicates: Floats | None = None, images: int | None = None, reference: Floats | None = None
) -> Heterogeneity:
    """Test whether K >= 2 comparisons have one effect. `images`: N behind the replicates; n >= 2 seeds.

    `reference` (K, m): the comparisons in reference runs with m >= 2 seeds, for one seed: the seeds' part is theirs.
    Raises ValueError with fewer comparisons or seeds.
    """
    varied = scores if reference is None else reference
    comparisons, seeds = varied.shape
    if comparisons < 2 or seeds < 2:
        raise ValueError(f"{comparisons} comparisons with {seeds} seeds: two of each are needed")
    own = scores - scores.mean(axis=0)
    seed_part = np.cov(varied - varied.mean(axis=0)) / scores.shape[1]
    image_part = np.zeros_like(seed_part)
    if replicates is not None and images is not None and images > 1:
        image_part = _image_covariance(replicates - replicates.mean(axis=0))
    effects = own.mean(axis=1)
    total = float(effects @ effects)
    covariance = seed_part + image_part
    noise = float(np.trace(covariance))
    spread = math.sqrt(max(total - noise, 0.0) / (comparisons - 1))
    if noise == 0:
        return Heterogeneity(1.0 if total == 0 else 0.0, spread)
    share = float(np.trace(seed_part)) / noise
    first = _dimension(covariance)
    dofs = ((seeds - 1) * _dimension(seed_part), ((images or 2) - 1) * _dimension(image_part))
    return Heterogeneity(_tail(math.sqrt(total / noise), share, first, dofs), spread)


def exactly(values: Floats) -> Heterogeneity:
    """Return the same for computed effects (K,), which have no noise."""
    return Heterogeneity(0.0 if np.ptp(values) > 1e-9 else 1.0, float(np.std(values, ddof=1)))


def _image_covariance(replicates: Floats) -> Floats:
    """Return the covariance (K, K) due to the choice of images: the mean between different seeds' replicates.

    With one seed that of its replicates.
    """
    seeds, draws = replicates.shape[1:]
    centred = replicates - replicates.mean(axis=2, keepdims=True)
    if seeds == 1:
        return np.asarray(np.cov(centred[:, 0]))
    of_sum, each = centred.sum(axis=1), np.einsum("knb,lnb->kl", centred, centred)
    shared: Floats = (of_sum @ of_sum.T - each) / ((draws - 1) * seeds * (seeds - 1))
    return shared if np.trace(shared) > 0 else np.zeros_like(shared)


def _dimension(covariance: Floats) -> float:
    """Return in how many directions of equal size a covariance spreads: trace squared over trace of the square."""
    squares = float(np.sum(covariance * covariance))
    return float(np.trace(covariance)) ** 2 / squares if squares > 0 else 1.0


def _tail(root: float, share: float, first: float, dofs: tuple[float, float]) -> float:
    """Return the probability that the root of Q / trace V is exceeded; `dofs`: of seeds and of images."""
    from scipy.special import fdtri

    def critical(tail: float) -> float:
        seeds, images = (math.sqrt(float(fdtri(first, dof, 1 - tail))) for dof in dofs)
        return images + (seeds - images) * float(share**MIXING)

    if critical(SMALLEST_TAIL) <= root:
        return SMALLEST_TAIL
    least = math.log(SMALLEST_TAIL)
    return math.exp(falling_root(lambda x: critical(math.exp(x)) - root, least, -SMALLEST_TAIL))
