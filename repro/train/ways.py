"""The ways in which a device can be told what a step computes; without torch, for plans and options."""

from __future__ import annotations

from typing import Literal

Launch = Literal["eager", "captured", "compiled"]
"""Operation by operation; a whole step recorded as a CUDA graph; by torch.compile, which joins operations.

All compute the same training but for rounding.
"""
