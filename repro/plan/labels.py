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
        return "[" + ",".join(f'"{v}"' if isinstance(v, str) else spelt(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def training_label(training: Training, cells: Iterable[PlannedCell]) -> str:
    """A training in the words of the cells that it serves."""
    if training.task == "presence":
        return f"first training ({training.model.backbone})"
    for planned in cells:
        for evaluation in planned.evaluations.values():
            chain = evaluation.training.chain()
            keys = [one.key for one in chain]
            if training.key not in keys:
                continue
            last = chain[-1]
            # what is only evaluated differently is one training: named by what it was trained with
            own = {k: v for k, v in planned.cell.settings.items() if not k.startswith("evaluate.")}
            label = ", ".join(f"{word(k)} {spelt(v)}" for k, v in own.items()) or planned.cell.table
            if training.key == last.key:
                return label
            two_stages = planned.resolved is not None and planned.resolved.protocol.train.second_stage is not None
            if two_stages and keys[-2] == training.key:
                return f"first stage of: {label}"
            return f"on {training.images.data.name}, {training.images.split}, before: {label}"
    return training.model.backbone
