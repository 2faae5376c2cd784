"""Best: `left` is better, higher or lower as the metric says, than every other cell of `among` by more than margin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repro.errors import InputError
from repro.spec.claim_kinds.kind import Alternatives, Effect, Kind, difference, in_order
from repro.spec.select import select

if TYPE_CHECKING:
    from repro.spec.cell import Cell
    from repro.spec.claim import Claim


def _effects(claim: Claim, pool: Sequence[Cell], names: Mapping[str, str]) -> Alternatives:
    lefts = select(pool, claim.left)
    others = [cell for cell in select(pool, claim.among or {}) if cell not in lefts]
    if not others:
        raise InputError(f"claim {claim.id}: `among` picks no cell but `left` itself. Widen it.")
    better = in_order(claim)
    contrasts = [difference(*better(left, other), names) for left in lefts for other in others]
    return (tuple(Effect(c.label, (c,), claim.margin, math.inf) for c in contrasts),)


BEST = Kind(
    "best",
    "one cell is better than each of the others",
    needs=("left", "among"),
    takes=("margin",),
    effects=_effects,
    weakest="the strongest rival",
)
