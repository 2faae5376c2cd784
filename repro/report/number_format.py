"""How numbers are printed: rounding happens here and nowhere before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from repro.spec.metric import Better, find_metric

if TYPE_CHECKING:
    from repro.spec.table import Cell

MINUS = "−"
NONE = "–"


def factor(cell: Cell) -> float:
    """Return what a cell's internal unit is multiplied by for print."""
    return find_metric(cell.metric).factor


def fixed(value: float | None, decimals: int = 2) -> str:
    """Return a number with so many decimals and a true minus sign; a dash for None or NaN."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """Return a number with its sign always shown; what rounds to zero has none."""
    text = fixed(value, decimals)
    if text in (NONE, "∞") or text.startswith(MINUS) or float(text) == 0:
        return text
    return f"+{text}"


def span(low: float, high: float, decimals: int = 2) -> str:
    """Return an interval as "low to high"."""
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def probability(p: float | None) -> str:
    """Return a probability with three decimals, never as a bare 0."""
    if p is None or math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else fixed(p, 3)


def dof(value: float) -> str:
    """Return degrees of freedom: one decimal below 10, none above, ∞ where exact."""
    text = fixed(value, 1 if value < 9.95 else 0)
    return text.removesuffix(".0")


def seconds(value: float | None) -> str:
    """Return a duration in the two largest units that matter: 42 s, 3 min 05 s, 2 h 07 min."""
    if value is None or math.isnan(value):
        return NONE
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s".removesuffix(" 00 s")
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min".removesuffix(" 00 min")


def count(value: float | None) -> str:
    """Return a count with three significant digits and k, M, G or T."""
    if value is None:
        return NONE
    for power, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        scaled = value / 10**power
        if scaled >= 0.9995:
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"
    return f"{value:.0f}"


def size(value: int | None) -> str:
    """Return bytes in MiB or GiB."""
    if value is None:
        return NONE
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def setting(value: object) -> str:
    """Return a protocol value as a reader writes it: (1, 2, 1), yes, 0.007, none."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(setting(item) for item in value) + ")"
    if isinstance(value, dict):
        return "; ".join(f"{key} {setting(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.10g}".replace("-", MINUS)
    return str(value)


def listed(items: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def ranks(values: list[float], better: Better = "higher") -> list[int]:
    """Return each value's rank, 1 for the best; equal values share the smaller rank."""
    ordered = sorted(values, reverse=better == "higher")
    return [ordered.index(value) + 1 for value in values]
