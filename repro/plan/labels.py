"""Trainings and settings in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repro.plan.plan import PlannedCell
from repro.plan.work import Training


def word(key: str) -> str:
    """The last part of a dotted key, as words."""
    return key.rsplit(".", 1)[-1].replace("_", " ")


def spelt(value: Any) -> str:
    """A value as `--only` and `--set` take it."""
    if isinstance(value, tuple | list):
        return "[" + ",".join(spelt(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def training_label(training: Training, cells: Iterable[PlannedCell]) -> str:
    """A training in the words of the cells that it serves."""
    if training.task == "presence":
        return f"first training ({training.model.backbone})"
    labels = []
    for planned in cells:
        if any(e.training.key == training.key for e in planned.evaluations.values()):
            cell = planned.cell
            # what is only evaluated differently is one training: named by what it was trained with
            own = {k: v for k, v in cell.settings.items() if not k.startswith("evaluate.")}
            labels.append(", ".join(f"{word(k)} {spelt(v)}" for k, v in own.items()) or cell.table)
    return labels[0] if labels else training.model.backbone
