"""A plan's budget, in words and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from repro.commands.output import duration
from repro.plan.budget import Budget
from repro.plan.labels import training_label
from repro.plan.plan import Plan
from repro.spec.gpu import Gpu


def in_words(cost: Budget, gpu: Gpu, count: int, plan: Plan) -> Iterator[str]:
    """Hours, memory, disk, critical path, and where the rate comes from: a line each."""
    hours = (
        f"{cost.hours:,.1f} GPU hours on {gpu.title}: {cost.training_hours:,.1f} of training, "
        f"{cost.evaluation_hours:,.1f} of evaluation"
    )
    wall = f"; at best {duration(cost.wall_hours(count) * 3600)} with {count} GPU{'s' * (count > 1)} (--jobs N: with N)"
    yield f"Cost{'' if gpu.measured else ', AT AN ASSUMED RATE'}: {hours}{wall}."
    yield f"Rate: {gpu.rate_source}."
    if cost.largest is not None:
        settings = cost.largest.settings
        fits = "" if cost.memory <= gpu.memory_gb * 1e9 else f" MORE THAN THE {gpu.memory_gb:g} GB OF {gpu.title}."
        yield (
            f"Memory: at most about {_size(cost.memory)} of {gpu.memory_gb:g} GB (batch {settings.batch_size} at "
            f"{settings.crop} x {settings.crop}, {training_label(cost.largest, plan.cells)}).{fits}"
        )
    yield (
        f"Disk: about {_size(cost.disk)}: {_size(cost.weights)} of weights, {_size(cost.records)} of matrices and "
        f"pictures, {_size(cost.images)} of decoded images, {_size(cost.checkpoints)} of checkpoint per worker."
    )
    chain = ", then ".join(training_label(training, plan.cells) for training in cost.path)
    yield f"Critical path: {duration(cost.path_hours * 3600)} with its evaluations ({chain})."


def as_record(cost: Budget, name: str, gpu: Gpu) -> dict[str, Any]:
    """The entry \"gpu\" of the command's JSON; bytes and hours."""
    return {
        "gpu": {
            "name": name,
            "title": gpu.title,
            "rate": gpu.rate * 1e6,
            "measured": gpu.measured is not None,
            "source": gpu.rate_source,
            "hours": cost.hours,
            "training_hours": cost.training_hours,
            "evaluation_hours": cost.evaluation_hours,
            "memory_bytes": cost.memory,
            "fits": cost.memory <= gpu.memory_gb * 1e9,
            "disk_bytes": cost.disk,
            "weights_bytes": cost.weights,
            "records_bytes": cost.records,
            "images_bytes": cost.images,
            "checkpoint_bytes": cost.checkpoints,
            "critical_path": [training.key for training in cost.path],
            "critical_path_hours": cost.path_hours,
        }
    }


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
