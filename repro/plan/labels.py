"""Trainings and settings in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repro.plan.plan import PlannedCell
from repro.plan.work import Training
from repro.spec.naming import cell_label, printed, word

LONGEST = 60
"""Letters of a list of settings that still reads as a label."""


def spelt(value: Any) -> str:
    """A value as `--only` and `--set` take it."""
    if isinstance(value, tuple | list):
        return "[" + ",".join(f'"{v}"' if isinstance(v, str) else spelt(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def training_label(training: Training, cells: Sequence[PlannedCell]) -> str:
    """A training in the words of the cells that it serves: their row and column in the paper where these tell it."""
    if training.task == "presence":
        return f"first training ({training.model.backbone})"
    for planned in cells:
        for evaluation in planned.evaluations.values():
            chain = evaluation.training.chain()
            keys = [one.key for one in chain]
            if training.key not in keys:
                continue
            label = _cells_label(chain[-1], planned, cells)
            if training.key == chain[-1].key:
                return label
            two_stages = planned.resolved is not None and planned.resolved.protocol.train.second_stage is not None
            if two_stages and keys[-2] == training.key:
                return f"first stage of: {label}"
            return f"on {training.images.data.name}, {training.images.split}, before: {label}"
    return training.model.backbone


def _cells_label(training: Training, first: PlannedCell, cells: Sequence[PlannedCell]) -> str:
    """The row, the column, or both, if they hold cells of this training only; else the settings it was trained with.

    Where these are many, the first of the cells.
    """
    table = [planned for planned in cells if planned.cell.table == first.cell.table and planned.evaluations]
    own = [p for p in table if any(e.training.key == training.key for e in p.evaluations.values())]
    if len(own) == 1:
        return cell_label(first.cell)
    if len(own) == len(table):
        return f"all cells of {first.cell.table}"
    for place in ("row_label", "column_label"):
        labels = {getattr(p.cell, place) for p in own}
        if len(labels) == 1 and sum(getattr(p.cell, place) in labels for p in table) == len(own):
            return printed(first.cell, labels.pop())
    settings = {k: v for k, v in first.cell.settings.items() if not k.startswith("evaluate.")}
    told = ", ".join(f"{word(k)} {in_words(v)}" for k, v in settings.items()) or first.cell.table
    return told if len(told) <= LONGEST else f"{cell_label(first.cell)} and {len(own) - 1} more"


def in_words(value: Any) -> str:
    """A value as papers print it: (1, 2, 1), yes, 0.007."""
    if isinstance(value, tuple | list):
        return "(" + ", ".join(in_words(v) for v in value) + ")"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
