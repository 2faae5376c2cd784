"""The ways in which a device can be told what a step computes; without torch, for plans and options."""

from __future__ import annotations

from typing import Literal

Launch = Literal["eager", "captured", "compiled", "compiled+captured"]
"""Operation by operation; a whole step recorded as a CUDA graph; by torch.compile, which joins operations; both.

All compute the same training but for rounding.
"""


def captures(launch: Launch) -> bool:
    """Whether steps are recorded as CUDA graphs."""
    return launch in ("captured", "compiled+captured")


def compiles(launch: Launch) -> bool:
    """Whether torch.compile is used."""
    return launch in ("compiled", "compiled+captured")


def uncaptured(launch: Launch) -> Launch:
    """The same without graphs."""
    return "compiled" if compiles(launch) else "eager"
