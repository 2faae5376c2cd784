"""The photographs of a split, one after the other, at their own sizes, without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from repro.data import scenes
from repro.data.decode import read_photo
from repro.data.images import ByteArray
from repro.data.source import SCENES, format_of
from repro.data.voc2012 import VOC2012
from repro.errors import InputError
from repro.spec.dataset import Dataset
from repro.spec.protocol import Data


@dataclass(frozen=True)
class Photo:
    """A photograph that is read when it is asked for."""

    name: str
    """As the data set names it; may hold "/"."""
    read: Callable[[], ByteArray]
    """-> (H, W, 3) uint8 RGB."""


def photos(data: Data, split: str, root: Path | None, declared: Dataset | None = None) -> list[Photo]:
    """The photographs of a split, in its list's order, all of them.

    Raises InputError for a split that is not there, lists that are damaged, and names that leave a folder.
    """
    if data.name == SCENES:
        if split not in (data.train_split, data.val_split):
            raise InputError(
                f"--split {split}: {SCENES} has {data.train_split} and {data.val_split}. Name one of them."
            )
        drawn = scenes.load(data, split)
        return [Photo(name, partial(_copy, drawn.pixels, i, drawn.sizes[i])) for i, name in enumerate(drawn.names)]
    form = format_of(data.name, declared)
    # VOC's test split has no public labels, and none are needed here
    unlabelled = data.name == VOC2012.name and split == "test"
    samples = form.samples(form.home(root), split if unlabelled else form.checked_split(split))
    for sample in samples:
        if sample.name.startswith("/") or ".." in sample.name.split("/"):
            raise InputError(f"{sample.listed}: {sample.name!r} leads out of the folder. Mend the list.")
    return [Photo(sample.name, partial(read_photo, sample.image)) for sample in samples]


def _copy(pixels: ByteArray, i: int, size: tuple[int, int]) -> ByteArray:
    height, width = size
    return pixels[i, :height, :width].copy()
