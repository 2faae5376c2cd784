"""Images evaluated as many at once as memory holds.

Networks at test treat each image by itself, so how many are taken at once changes rounding at most.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class AdaptiveBatch:
    """From image number `first` on, `size` images were taken at once."""

    first: int
    size: int


def in_adaptive_batches(
    count: int, size: int, work: Callable[[slice], None], should_stop: Callable[[], bool] = lambda: False
) -> list[AdaptiveBatch] | None:
    """Call `work` for all of `count` images, `size` at a time, and with half as many from where memory runs out on.

    Where `work` fails it must have kept nothing of that batch: it is called for its images again. Returns how many
    were taken at once, from which image on; None if asked to stop. Raises torch.OutOfMemoryError, with what to do,
    where one image is too many.
    """
    batches, first = [AdaptiveBatch(0, size)], 0
    while first < count:
        if should_stop():
            return None
        try:
            work(slice(first, min(first + size, count)))
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise too_large(error) from error
        else:
            first += size
            continue
        # outside of the handler, as the error keeps the tensors of the batch alive
        size //= 2
        batches = [*(batch for batch in batches if batch.first < first), AdaptiveBatch(first, size)]
        gc.collect()
        torch.cuda.empty_cache()
    return batches


def too_large(error: torch.OutOfMemoryError) -> torch.OutOfMemoryError:
    """The failure of an image that does not fit alone."""
    reason = str(error).split(". ")[0].strip().rstrip(".")
    return torch.OutOfMemoryError(
        f"memory is short for one image at a time ({reason}). Run the same command again with fewer trainings on this "
        "device (--jobs), on a GPU with more memory, or with --device cpu: the training is stored, and only this "
        "evaluation is left."
    )


def batch_remarks(batches: Sequence[AdaptiveBatch], wanted: int) -> list[str]:
    """A sentence for each batch that is smaller than the `wanted` images at once."""
    return [
        (f"from image {batch.first + 1} on, " if batch.first else "")
        + f"memory was short and {batch.size} images were evaluated at once, not {wanted}, "
        "which changes rounding at most"
        for batch in batches
        if batch.size < wanted
    ]
