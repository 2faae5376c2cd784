"""Which difference can n seeds detect? Power of the judge's paired test, before anything is run.

A claim's difference is tested by a two-sided paired t test over seeds at 5 %. Its power at a true difference d is that
of a noncentral t with n - 1 degrees of freedom at d / standard error; the images' part, where given, adds its variance
and its degrees of freedom as in `repro.judge.intervals`. A correction for many claims costs more; it is not counted.
"""

from __future__ import annotations

import math

POWER = 0.8
PAIRED_DEVIATION = {"paper": 0.31, "small": 1.0, "tiny": 1.0, "smoke": 3.0}
"""Scale -> standard deviation over seeds of a paired difference between two trainings, in points. paper: 1.41 times the
0.22 of v3 Table 11. tiny: the medians over the claims of v3 Tables 1 to 4 lie between 0.6 and 1.0 (0.1 to 0.5 where
only rates or the evaluation change, 2 to 3 where the structure does). small and smoke are guesses."""
ALPHA = 0.05
IMAGES = 100
USUAL_SEEDS = {3: 3.264, 5: 1.682, 10: 0.996}
"""Seeds -> `detectable_difference` in standard deviations, for `outlook`: a plan need load no numpy for them."""


def power(difference: float, deviation: float, seeds: int, image_error: float = 0.0, images: int = IMAGES) -> float:
    """Return the probability that the test finds a true difference, in its direction.

    `deviation`: standard deviation over seeds of the paired difference; `image_error`: standard error that the choice
    of `images` validation images gives it. Both in the unit of `difference`. Needs 2 seeds or more.
    """
    from scipy.special import nctdtr

    from repro.judge.intervals import dof_of_quantile, mixed_quantile

    variance = deviation**2 / seeds
    error = math.sqrt(variance + image_error**2)
    if error == 0:
        return 1.0 if difference > 0 else ALPHA / 2
    bar = mixed_quantile(ALPHA / 2, variance / error**2, seeds - 1, images - 1)
    dof = dof_of_quantile(1 - ALPHA / 2, bar)
    return float(1 - nctdtr(dof, difference / error, bar))


def detectable_difference(deviation: float, seeds: int, image_error: float = 0.0, wanted: float = POWER) -> float:
    """Return the smallest true difference that is found with probability `wanted`, in the unit of `deviation`.

    Infinite with one seed: its noise is unknown. Arguments as in `power`.
    """
    if seeds < 2:
        return math.inf
    error = math.sqrt(deviation**2 / seeds + image_error**2)
    if error == 0:
        return 0.0
    from repro.judge.intervals import falling_root

    return error * falling_root(lambda d: wanted - power(d * error, deviation, seeds, image_error), 0.0, 1e3)


def seeds_needed(difference: float, deviation: float, image_error: float = 0.0, most: int = 100) -> int | None:
    """Return the smallest number of seeds that detects a difference with power 0.8; None if `most` do not."""
    for seeds in range(2, most + 1):
        if power(difference, deviation, seeds, image_error) >= POWER:
            return seeds
    return None


def outlook(scale: str, seeds: int) -> str:
    """Return what so many seeds will be able to tell at a scale, in plain words."""
    deviation = PAIRED_DEVIATION.get(scale, 1.0)
    if seeds < 2:
        said = "With one seed no difference can be told from noise"
    else:
        said = f"With {seeds} seeds you can detect a difference of {deviation * _detectable(seeds):.1f} points"
    others = [n for n in (3, 5, 10) if n > seeds]
    more = " and ".join(f"{n} would detect {deviation * _detectable(n):.1f} points" for n in others[:2])
    unit = "point" if deviation == 1 else "points"
    return f"{said}{'; ' if more else ''}{more} (4 times in 5, if paired runs vary by {deviation:g} {unit})."


def _detectable(seeds: int) -> float:
    return USUAL_SEEDS.get(seeds) or detectable_difference(1.0, seeds)
