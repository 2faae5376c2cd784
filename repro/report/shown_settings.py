"""Which settings of its cells a report lists: what a network does not read says nothing about a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from repro.plan.plan import PlannedCell
from repro.spec.keys import flat_of
from repro.spec.own_network import settings_read
from repro.spec.resolve import Deviation


def protocols_read(planned: tuple[PlannedCell, ...]) -> dict[str, dict[str, Any]]:
    """Return cell id -> dotted key -> value of what its network reads, and of what is not about the network."""
    return {p.cell.id: settings_read(flat_of(p.resolved.protocol)) for p in planned if p.resolved is not None}


def common(protocols: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings on which all agree that have them."""
    first: dict[str, Any] = {}
    differing = set()
    for protocol in protocols:
        differing |= {key for key, value in protocol.items() if first.setdefault(key, value) != value}
    return {key: value for key, value in first.items() if key not in differing}


def deviations(planned: tuple[PlannedCell, ...], protocols: Mapping[str, Mapping[str, Any]]) -> tuple[Deviation, ...]:
    """Return every departure of any cell, each once; a setting that its network does not read changes nothing."""
    unique: dict[tuple[str, str, str], Deviation] = {}
    for cell in planned:
        for deviation in cell.resolved.deviations if cell.resolved else ():
            if not deviation.key.startswith("model.") or deviation.key in protocols[cell.cell.id]:
                unique.setdefault((deviation.key, str(deviation.published), str(deviation.value)), deviation)
    return tuple(unique.values())
