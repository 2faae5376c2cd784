"""Trainings and settings in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from repro.plan.plan import PlannedCell
from repro.plan.work import Training
from repro.spec.cell import Cell
from repro.spec.naming import cell_label, key_name, printed

LINES = ("row_label", "column_label")
LONGEST = 60
"""Letters of a list of settings that still reads as a label."""


def training_label(training: Training, cells: Sequence[PlannedCell]) -> str:
    """A training in the words of the cells that it serves; `TrainingLabels` where there are many to name."""
    return TrainingLabels(cells).of(training)


class TrainingLabels:
    """The words for trainings: their cells' row and column in the paper where these tell it."""

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        self._first: dict[str, tuple[PlannedCell, list[Training]]] = {}
        """Key of a training -> the first cell that it serves, and the trainings up to that cell's own."""
        self._own: dict[tuple[str, str], list[PlannedCell]] = {}
        """(table, key of a training) -> the cells that are measured on just this one."""
        self._sizes: Counter[tuple[str, ...]] = Counter()
        """Measured cells of a table, of its rows and of its columns."""
        for planned in cells:
            if not planned.evaluations:
                continue
            cell = planned.cell
            self._sizes.update([(cell.table,), *((cell.table, line, getattr(cell, line)) for line in LINES)])
            for evaluation in planned.evaluations.values():
                chain = evaluation.training.chain()
                for training in chain:
                    self._first.setdefault(training.key, (planned, chain))
            for key in {e.training.key: None for e in planned.evaluations.values()}:
                self._own.setdefault((cell.table, key), []).append(planned)

    def of(self, training: Training) -> str:
        """What a training is called."""
        if training.task == "presence":
            return f"pre-training ({training.model.implementation or training.model.backbone})"
        if training.key not in self._first:
            return training.model.implementation or training.model.backbone
        planned, chain = self._first[training.key]
        label = self._of_cells(chain[-1], planned.cell)
        if training.key == chain[-1].key:
            return label
        two_stages = planned.resolved is not None and planned.resolved.protocol.train.second_stage is not None
        if two_stages and chain[-2].key == training.key:
            return f"first stage of: {label}"
        return f"on {training.images.data.name}, {training.images.split}, before: {label}"

    def _of_cells(self, training: Training, first: Cell) -> str:
        """The row, the column, or both, if they hold cells of this training only; else the settings of it.

        Where these are many, the first of the cells.
        """
        own = [planned.cell for planned in self._own[first.table, training.key]]
        if len(own) == 1:
            return cell_label(first)
        if len(own) == self._sizes[first.table,]:
            return f"all cells of {first.table}"
        for line in LINES:
            labels = {getattr(cell, line) for cell in own}
            if len(labels) == 1 and self._sizes[first.table, line, getattr(first, line)] == len(own):
                return printed(first, labels.pop())
        settings = {k: v for k, v in first.settings.items() if not k.startswith("evaluate.")}
        description = ", ".join(f"{key_name(k)} {in_words(v)}" for k, v in settings.items()) or first.table
        return description if len(description) <= LONGEST else f"{cell_label(first)} and {len(own) - 1} more"


def in_words(value: Any) -> str:
    """A value as papers print it: (1, 2, 1), yes, 0.007."""
    if isinstance(value, tuple | list):
        return "(" + ", ".join(in_words(v) for v in value) + ")"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
