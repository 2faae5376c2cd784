"""What a worker receives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.plan.work import Evaluation, Training
from repro.spec.protocol import Pretrain, Train
from repro.train.launch_modes import Kernels, LaunchMode


@dataclass(frozen=True)
class ExecutionOptions:
    """How trainings are computed: what their keys do not hold, since the result is the same but for what records say.

    `processes` train one network together; `launch` is how steps reach the device, and `kernels` whose code computes
    them there; `tensorboard` is a folder for scalars.
    """

    processes: int = 1
    launch: LaunchMode = "eager"
    tensorboard: Path | None = None
    kernels: Kernels = "torch"


DEFAULT_EXECUTION = ExecutionOptions()


class ShortOfMemoryError(Exception):
    """A training needs more memory than there is; with `micro_batch` images at once it may do with less."""

    def __init__(self, settings: Train | Pretrain, micro_batch: int) -> None:
        at_once = settings.micro_batch or settings.batch_size
        super().__init__(f"out of memory with {at_once} images at once; {micro_batch} may fit (--micro-batch)")
        self.micro_batch = micro_batch


@dataclass(frozen=True)
class Job:
    """A training and the evaluations that are wanted of it; folders of the data set and of ImageNet weights.

    `trained`: the file of weights of a network that somebody else trained.
    """

    training: Training
    evaluations: tuple[Evaluation, ...]
    data_root: Path | None = None
    weights: Path | None = None
    checkpoint_steps: int | None = None
    execution: ExecutionOptions = DEFAULT_EXECUTION
    trained: Path | None = None
    label: str = ""
    """What to call it in TensorBoard."""
