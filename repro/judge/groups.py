"""Where an average comes from: the pairs with the large effects, and what they have in common, in the paper's words.

The effects are split in two where that explains most of their differences (the two-group division of least squares
within). If the cells of the larger ones, and only they, share a row, a column or a setting, that is their name
("block4"); a shared name may explain a little less than the best division, for noise moves single pairs across.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from repro.metrics import Floats
from repro.spec.cell import Cell
from repro.spec.naming import key_name, printed
from repro.spec.questions import Contrast

ENOUGH = 0.9
"""Share of what the best division explains that a division by a shared name has to explain."""
Named = tuple[tuple[int, ...], str]
"""Indices of pairs, and their name; empty where they have none."""


def split(effects: Floats, contrasts: Sequence[Contrast], cells: Sequence[Cell]) -> tuple[Named, Named]:
    """Return the pairs with the large effects and the others, each in the table's order, with their names.

    `effects` (K,), K >= 2, by contrast; `cells` are all that the contrasts use.
    """
    ranked = np.argsort(-effects, kind="stable")
    best = max((tuple(ranked[:size].tolist()) for size in range(1, len(ranked))), key=lambda g: _explained(effects, g))
    shared = [
        (group, name)
        for group, name in _shared(contrasts, cells)
        if min(effects[list(group)]) > max(np.delete(effects, list(group)))
        and _explained(effects, group) >= ENOUGH * _explained(effects, best)
    ]
    group, name = max(shared, key=lambda g: _explained(effects, g[0]), default=(tuple(sorted(best)), ""))
    others = tuple(k for k in range(len(effects)) if k not in group)
    of_others = next((n for g, n in _shared(contrasts, cells) if g == others), "")
    return (group, name or _listed(group, contrasts)), (others, of_others or _listed(others, contrasts))


def _explained(effects: Floats, group: Sequence[int]) -> float:
    """Return the sum of squares between a group and the others."""
    inside = effects[list(group)]
    outside = np.delete(effects, list(group))
    share = len(inside) * len(outside) / len(effects)
    return share * float(inside.mean() - outside.mean()) ** 2


def _shared(contrasts: Sequence[Contrast], cells: Sequence[Cell]) -> Iterator[Named]:
    """Yield the groups of contrasts whose first cells, and only they, share a row, a column or a setting."""
    by_id = {cell.id: cell for cell in cells}
    firsts = [by_id[contrast.weights[0][0]] for contrast in contrasts]
    kinds: list[list[str]] = [[printed(c, c.column_label) for c in firsts], [printed(c, c.row_label) for c in firsts]]
    keys = dict.fromkeys(key for cell in firsts for key in cell.settings)
    kinds += [[f"{key_name(key)} {_spelt(cell.settings.get(key))}" for cell in firsts] for key in keys]
    for names in kinds:
        for name in dict.fromkeys(names):
            group = tuple(k for k, own in enumerate(names) if own == name)
            if len(group) < len(contrasts):
                yield group, name


def _spelt(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_spelt, value)) or "none"
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _listed(group: Sequence[int], contrasts: Sequence[Contrast]) -> str:
    """Return one or two pairs by their own names."""
    return "" if len(group) > 2 else " and ".join(contrasts[k].label for k in group)
