"""Claims about pairs of cells, which differ in the range that they give left - right.

greater  above margin
gain     low to high
ratio    log(left / right) from log low to log high
equal    -tolerance to tolerance
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from repro.spec.claim_kinds.kind import Alternatives, Effect, Effects, Kind, difference
from repro.spec.select import pairs

if TYPE_CHECKING:
    from repro.spec.cell import Cell
    from repro.spec.claim import Claim


def _in_range(ends: Callable[[Claim], tuple[float, float]], sign: str = " − ") -> Effects:
    def effects(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> Alternatives:
        contrasts = tuple(difference(*pair, names, sign) for pair in pairs(pool, claim.left, claim.right))
        label = contrasts[0].label if len(contrasts) == 1 else f"mean of {len(contrasts)} pairs"
        return ((Effect(label, contrasts, *ends(claim)),),)

    return effects


def _tolerated(claim: Claim) -> tuple[float, float]:
    tolerance = claim.tolerance if claim.tolerance is not None else 0.0
    return -tolerance, tolerance


def _low_to_high(claim: Claim) -> tuple[float, float]:
    return (-math.inf if claim.low is None else claim.low), (math.inf if claim.high is None else claim.high)


def _logarithms(claim: Claim) -> tuple[float, float]:
    low, high = (math.log(end) if end > 0 else -math.inf for end in _low_to_high(claim))
    return low, high


def _check_range(claim: Claim) -> None:
    if claim.low is None and claim.high is None:
        raise ValueError(f'kind "{claim.kind}" needs `low`, `high` or both. Add one.')
    if claim.low is not None and claim.high is not None and claim.low > claim.high:
        raise ValueError(f"low = {claim.low} is above high = {claim.high}. Swap them.")


def _check_ratio(claim: Claim) -> None:
    _check_range(claim)
    if min(end for end in (claim.low, claim.high) if end is not None) < 0:
        raise ValueError("a ratio is never below 0. Write low and high above it.")


GREATER = Kind(
    "greater",
    "left is better than right, wherever two cells differ in nothing else",
    needs=("left", "right"),
    takes=("margin",),
    effects=_in_range(lambda claim: (claim.margin, math.inf)),
)
GAIN = Kind(
    "gain",
    "the difference lies in a range of points",
    needs=("left", "right"),
    takes=("low", "high"),
    check=_check_range,
    effects=_in_range(_low_to_high),
    strict=False,
    too_close_to="the range's end",
)
RATIO = Kind(
    "ratio",
    "the quotient lies in a range",
    needs=("left", "right"),
    takes=("low", "high"),
    check=_check_ratio,
    effects=_in_range(_logarithms, " / "),
    strict=False,
    logarithmic=True,
)
EQUAL = Kind(
    "equal",
    "the two differ by no more than a tolerance",
    needs=("left", "right", "tolerance"),
    effects=_in_range(_tolerated),
    strict=False,
    too_close_to="a difference of {high}",
)
