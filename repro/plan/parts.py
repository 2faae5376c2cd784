"""Batches that are normalised or computed in parts: which parts can be, and what is tried where memory is short.

Batch normalisation in training needs two values per channel. A part of one image has a single one after image pooling,
and wherever the map is one pixel wide.
"""

from __future__ import annotations

from repro.errors import InputError
from repro.plan.layers import in_arithmetic, layers
from repro.plan.work import Training
from repro.spec.protocol import Train

FEWEST = 2
"""Images of a micro-batch whose statistics are used."""


def learns_statistics(training: Training) -> bool:
    """Whether batch normalisation uses the statistics of the images that it is trained on."""
    settings = training.settings
    return training.model.normed and not (isinstance(settings, Train) and settings.batch_norm != "train")


def together(training: Training) -> int:
    """Images that one forward pass normalises by common statistics."""
    settings = training.settings
    parts = settings.batch_norm_parts if isinstance(settings, Train) else 1
    return settings.micro_batch or settings.batch_size // parts


def fitting(training: Training, processes: int = 1) -> list[int]:
    """The micro-batches that a training can be computed in, the largest first; each process takes an equal share."""
    batch, fewest = training.settings.batch_size, FEWEST if learns_statistics(training) else 1
    return [n for n in range(batch - 1, fewest - 1, -1) if batch % n == 0 and n % processes == 0]


def smaller(training: Training, processes: int = 1) -> int | None:
    """The micro-batch to try where a training needs more memory than there is; None where there is no smaller one."""
    settings = training.settings
    if isinstance(settings, Train) and settings.batch_norm_parts > 1:
        return None
    now = settings.micro_batch or settings.batch_size
    half = [n for n in fitting(training, processes) if n <= now // 2]
    return half[0] if half else None


def check(training: Training, name: str) -> None:
    """Raise InputError where a training, called `name`, can't be computed in the parts that its settings ask for."""
    settings = training.settings
    section = "train" if isinstance(settings, Train) else "pretrain"
    batch, micro_batch = settings.batch_size, settings.micro_batch
    if micro_batch is not None:
        if isinstance(settings, Train) and settings.batch_norm_parts > 1:
            raise InputError(
                f"{name}: train.batch_norm_parts says how its batch is parted for normalisation, and train.micro_batch "
                "(--micro-batch) parts it otherwise. Leave the latter out, or choose other cells with --only."
            )
        if micro_batch not in fitting(training):
            raise InputError(
                f"{name}: {section}.micro_batch (--micro-batch): {_misfit(batch, micro_batch)}. "
                + _choices(fitting(training))
            )
    if learns_statistics(training) and together(training) * _fewest_pixels(training) < FEWEST:
        own = not in_arithmetic(training.model)
        after = (
            "pooling the whole map"
            if own
            else "image pooling"
            if training.model.image_pooling
            else "strides that leave one pixel"
        )
        raise InputError(
            f"{name}: {section}.batch_size: batch normalisation in training needs two values per channel, and "
            f"{'a part of ' if together(training) < batch else ''}one image has a single one after {after}. Set "
            f"{section}.batch_size{' or train.batch_norm_parts' if together(training) < batch else ''} so that two "
            "images or more are normalised together" + (", or train.batch_norm=frozen." if section == "train" else ".")
        )


def _misfit(batch: int, micro_batch: int) -> str:
    if rest := batch % micro_batch:
        return f"a batch of {batch} images in parts of {micro_batch} leaves a part of {rest}"
    return f"parts of {micro_batch} image have no statistics for batch normalisation"


def _choices(sizes: list[int]) -> str:
    if not sizes:
        return "This batch can't be parted: leave the setting out."
    return f"Choose {', '.join(map(str, sizes[:-1]))}{' or ' * (len(sizes) > 1)}{sizes[-1]}, or a table at a time."


def _fewest_pixels(training: Training) -> int:
    """Values per channel and image that the smallest normalised map has."""
    settings, side = training.settings, training.settings.crop
    if not in_arithmetic(training.model):
        return 1  # it may pool the whole map
    convs = layers(training.model, settings.output_stride, training.images.data.classes)
    return min(layer.pixels(side, side) for layer in convs if layer.normed)
