"""Launch modes: how the operations of a step reach the device; without torch, for plans and options."""

from __future__ import annotations

from typing import Literal

LaunchMode = Literal["eager", "captured", "compiled", "compiled+captured"]
"""Operation by operation; a whole step recorded as a CUDA graph; by torch.compile, which joins operations; both.

All compute the same training but for rounding.
"""

Kernels = Literal["torch", "fused"]
"""torch's own; or, of what they are there for, the suite's Triton kernels, which compute the same but for rounding."""


def captures(launch: LaunchMode) -> bool:
    """Whether steps are recorded as CUDA graphs."""
    return launch in ("captured", "compiled+captured")


def compiles(launch: LaunchMode) -> bool:
    """Whether torch.compile is used."""
    return launch in ("compiled", "compiled+captured")


def without_capture(launch: LaunchMode) -> LaunchMode:
    """The same without graphs."""
    return "compiled" if compiles(launch) else "eager"
