"""Atrous rates at other output strides than the one that they are given for. Plain arithmetic: no torch."""

from __future__ import annotations


def rates_at(rates: tuple[int, ...], output_stride: int, reference: int) -> tuple[int, ...]:
    """Rates that cover the same part of the image at `output_stride` as `rates` do at `reference`; at least 1."""
    return tuple(max(1, rate * reference // output_stride) for rate in rates)
