"""What a worker is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.plan.work import Evaluation, Training
from repro.train.ways import Launch


@dataclass(frozen=True)
class Way:
    """How trainings are computed: what their keys do not hold, since the result is the same but for what records say.

    `processes` train one network together; `micro_batch` is how many images one of them takes at once (None: its whole
    share of a batch); `launch` is how steps reach the device; `tensorboard` is a folder for scalars.
    """

    processes: int = 1
    micro_batch: int | None = None
    launch: Launch = "eager"
    tensorboard: Path | None = None


ALONE = Way()


@dataclass(frozen=True)
class Job:
    """A training and the evaluations that are wanted of it; folders of the data set and of ImageNet weights."""

    training: Training
    evaluations: tuple[Evaluation, ...]
    data_root: Path | None = None
    weights: Path | None = None
    checkpoint_steps: int | None = None
    way: Way = ALONE
    label: str = ""
    """What to call it in TensorBoard."""
