"""Whether what is planned fits into the memory of this machine, checked before anything is computed; without torch.

Estimates are arithmetic (`repro.plan.budget`). A training on the CPU that cannot fit is refused, as the system would
end its process without a word; on a GPU it is reported, as memory that runs out there is answered with micro-batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from repro.plan.budget import RESERVE, evaluation_bytes, training_bytes
from repro.plan.labels import training_label
from repro.plan.parts import fitting
from repro.plan.plan import Plan
from repro.plan.work import Evaluation, Training
from repro.run.scale import nvidia_smi

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says what a container may take."""


@dataclass(frozen=True)
class MemoryLimit:
    """Memory that one training may take at most."""

    bytes: float
    of: str
    bfloat16: bool = False
    """Whether trainings keep their maps in half the bytes."""


def memory_limit(device: str) -> MemoryLimit | None:
    """The memory of a worker's device, "cpu" or "cuda:0"; None where nothing says it."""
    if device.startswith("cuda"):
        size = _gpu_bytes()
        return MemoryLimit(size, "its GPU has", bfloat16=True) if size else None
    return MemoryLimit(_main_bytes(), "this machine has")


def _main_bytes() -> float:
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            limits.append(float(path.read_text()))
    return min(limits)


def _gpu_bytes() -> float | None:
    """Of the smallest GPU."""
    sizes = nvidia_smi("--query-gpu=memory.total", "--format=csv,noheader,nounits")
    try:
        return min((float(size) * 2**20 for size in sizes), default=None)
    except ValueError:
        return None


def too_large(
    trainings: Iterable[Training], evaluations: Iterable[Evaluation], plan: Plan, there: MemoryLimit, processes: int = 1
) -> str:
    """A sentence on the training or evaluation that needs most, where it cannot fit, with a remedy; else nothing.

    The estimate counts without reserve, so that nothing is refused that might fit.
    """
    needs = [(training_bytes(t, bfloat16=there.bfloat16) / RESERVE / processes, t, True) for t in trainings]
    needs += [(evaluation_bytes(e) / RESERVE, e.training, False) for e in evaluations]
    need, training, learning = max(needs, key=lambda entry: entry[0], default=(0.0, None, False))
    if training is None or need <= there.bytes:
        return ""
    name, settings = training_label(training, plan.cells), training.settings
    if not learning:
        return (
            f"{name}: evaluating one image needs about {_size(need)} of memory, and {there.of} {_size(there.bytes)}. "
            "Choose a smaller evaluate.canvas or smaller evaluate.scales."
        )
    at_once = settings.micro_batch or settings.batch_size
    sentence = (
        f"{name}: training on {at_once} image{'s' * (at_once > 1)} at once, {settings.crop} x {settings.crop}, needs "
        f"about {_size(need)} of memory, and {there.of} {_size(there.bytes)}."
    )
    for count in fitting(training, processes):
        parted = replace(training, settings=settings.model_copy(update={"micro_batch": count}))
        if (fits := training_bytes(parted, bfloat16=there.bfloat16) / processes) <= there.bytes:
            return f"{sentence} --micro-batch {count} would need about {_size(fits)} (a departure; docs/scale-out.md)."
    return f"{sentence} No micro-batch fits. Choose a smaller train.crop or model.width, or a larger machine."


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 1e15 else f"{count / 1e9:.2g} GB"
