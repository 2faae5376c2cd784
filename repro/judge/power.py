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
PAIRED_IMAGE_ERROR = {"paper": 0.15, "small": 0.2, "tiny": 0.3, "smoke": 1.0}
"""Scale -> standard error that the choice of validation images gives such a difference, in points. paper: see
`repro.judge.published`. tiny: the median over the same claims (0.0 to 1.1). small has more images and smoke fewer."""
USUAL_SCALE = "tiny"
"""What a scale of one's own is taken to be like."""
ALPHA = 0.05
IMAGES = 100
DETECTABLE = {
    "paper": {3: 1.001, 5: 0.652, 10: 0.520},
    "small": {3: 3.228, 5: 1.751, 10: 1.138},
    "tiny": {3: 3.206, 5: 1.842, 10: 1.297},
    "smoke": {3: 9.609, 5: 5.641, 10: 4.078},
}
"""Scale -> seeds -> `detectable_difference` there, for `outlook`: a plan need not load scipy for them."""


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


def outlook(scale: str, seeds: int) -> str:
    """Return what so many seeds will be able to tell at a scale, in plain words."""
    like = scale if scale in PAIRED_DEVIATION else USUAL_SCALE
    if seeds < 2:
        first = "With one seed no difference can be told from noise"
    else:
        first = f"With {seeds} seeds you can detect a difference of {_detectable(like, seeds):.1f} points"
    others = [n for n in (3, 5, 10) if n > seeds]
    more = " and ".join(f"{n} would detect {_detectable(like, n):.1f} points" for n in others[:2])
    deviation, error = PAIRED_DEVIATION[like], PAIRED_IMAGE_ERROR[like]
    return (
        f"{first}{'; ' if more else ''}{more} (80 % power, if paired runs vary by {deviation:g} and the choice of "
        f"images by {error:g} point{'s' * (error != 1)})."
    )


def _detectable(scale: str, seeds: int) -> float:
    known = DETECTABLE[scale].get(seeds)
    return known or detectable_difference(PAIRED_DEVIATION[scale], seeds, PAIRED_IMAGE_ERROR[scale])
