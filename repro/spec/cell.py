"""A published number and what kind of number it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

CellKind = Literal["computed", "measured", "quoted"]
Basis = Literal["measured", "computed", "printed"]
"""What decides a claim: measurements, figures of the architecture alone, or nothing but the paper's own numbers."""


@dataclass(frozen=True)
class Metric:
    """What a number is: its title in print, its printed unit, and how it comes about unless a table says otherwise."""

    title: str
    unit: str
    kind: CellKind


METRICS: dict[str, Metric] = {
    "miou": Metric("mIOU", "%", "measured"),
    "multiply_adds": Metric("Multiply-Adds", "B", "computed"),
    "parameters": Metric("Params", "M", "computed"),
    "field_of_view": Metric("FOV", "px", "computed"),
    "valid_9": Metric("9 valid weights", "share of positions", "computed"),
    "valid_4": Metric("4 valid weights", "share of positions", "computed"),
    "valid_1": Metric("1 valid weight", "share of positions", "computed"),
    "images_per_second": Metric("Speed", "images/s", "quoted"),
    "relative_time": Metric("Relative training time", "fraction", "quoted"),
    "top1_error": Metric("Top-1 error", "%", "quoted"),
    "top5_error": Metric("Top-5 error", "%", "quoted"),
}


@dataclass(frozen=True)
class Cell:
    """One published number."""

    table: str
    row: int
    column: int
    row_label: str
    column_label: str
    metric: str
    kind: CellKind
    settings: Mapping[str, Any]
    """Dotted protocol key -> value, for every key that tells the table's cells apart; empty where quoted."""
    published: float | None
    """Printed unit (per cent for miou); None: unknown."""
    decimals: int
    id: str
    note: str = ""
    row_keys: frozenset[str] = frozenset()
    """Keys of `settings` that the row decides; the columns decide `column_keys`."""
    column_keys: frozenset[str] = frozenset()
