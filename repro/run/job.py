"""What a worker is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.plan.work import Evaluation, Training


@dataclass(frozen=True)
class Job:
    """A training and the evaluations that are wanted of it; folders of the data set and of ImageNet weights."""

    training: Training
    evaluations: tuple[Evaluation, ...]
    data_root: Path | None = None
    weights: Path | None = None
    checkpoint_steps: int | None = None
