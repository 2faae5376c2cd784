"""What a record has to say of how its batches were computed, where that may bear on the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from repro.spec.protocol import Pretrain, Train
from repro.train.loop import BatchLayout


def remarks(settings: Train | Pretrain, layouts: Sequence[BatchLayout]) -> list[str]:
    """A sentence for each layout that departs from a batch computed at once."""
    frozen = isinstance(settings, Train) and settings.batch_norm != "train"
    sentences = []
    for layout in layouts:
        together = layout.processes * layout.micro_batch
        if together >= settings.batch_size:
            continue
        since = f"from step {layout.from_step} on, " if layout.from_step else ""
        sentence = (
            f"{since}batches of {settings.batch_size} were computed {together} images at a time, gradients summed"
        )
        if not frozen:
            sentence += f"; batch normalisation used the statistics of {together} images, not of the whole batch"
        sentences.append(sentence)
    return sentences
