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
    """Printed unit (per cent for shares); None: unknown."""
    decimals: int
    id: str
    note: str = ""
    row_keys: frozenset[str] = frozenset()
    """Keys of `settings` that the row decides; the columns decide `column_keys`."""
    column_keys: frozenset[str] = frozenset()
