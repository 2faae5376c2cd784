"""Label maps as people store them (PNG indexed, grey or in colour; .npy), read as classes, and 255 for void."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data.decode import LabelEncoding, decode_labels
from repro.data.disk import opened
from repro.data.images import VOID, ByteArray
from repro.errors import InputError

SUFFIXES = (".png", ".npy", ".tif", ".tiff", ".bmp")
"""Forms that lose nothing; a JPEG's labels are not those that were written."""
MOST_BYTES = 1 << 31
"""An array of 64-bit numbers as large as the largest image that is read takes 1.4 GB."""
LARGEST = 65535
"""Label that a file may hold."""
NEITHER = VOID - 1
"""Stands for a number that is neither a class nor void, while a file is read."""
LOSSY = (".jpg", ".jpeg", ".webp", ".gif")
"""Their content is refused under any name."""


@dataclass(frozen=True)
class LabelForm:
    """What the numbers in a label file mean. Steps in this order: colours, map or offset, void."""

    classes: int
    void: frozenset[int] = frozenset({VOID})
    """Numbers in the file that are not counted."""
    offset: int = 0
    """Taken off every number; what falls below 0 is void (ADE20K's 0 with offset 1)."""
    mapping: Mapping[int, int] | None = None
    """Number in the file -> class; numbers that it lacks are void."""
    colours: Mapping[tuple[int, int, int], int] = field(default_factory=dict)
    """RGB -> number, for images in colour."""
    kind: LabelEncoding | None = None
    """The only kind of image that is read (an array counts as grey); None: any."""
    rest_void: bool = True
    """Whether numbers that the map lacks, or that the offset takes below 0, are void; else they are refused."""
    remedy: str = "Name what it means: --void, --offset or --map."

    @property
    def plain(self) -> bool:
        """Whether numbers in a file are classes or 255 as they stand."""
        return self.mapping is None and self.offset == 0 and self.void == {VOID}

    def table(self, high: int) -> ByteArray:
        """Number in the file, up to `high` at least -> class, void or `NEITHER`; the last entry is for -1."""
        if high <= VOID:
            return self._bytes
        return self._table(high)

    @cached_property
    def _bytes(self) -> ByteArray:
        return self._table(VOID)

    def _table(self, high: int) -> ByteArray:
        numbers = np.arange(high + 2)
        numbers[-1] = -1
        if self.mapping is not None:
            table = np.array([self.mapping.get(int(k), VOID) for k in numbers])
            rest = table == VOID
        else:
            table = numbers - self.offset
            rest = (table < 0) & (numbers >= 0)
        table[(table < 0) | (table >= self.classes)] = NEITHER
        if self.rest_void:
            table[rest] = VOID
        table[np.isin(numbers, list(self.void))] = VOID
        return table.astype(np.uint8)


def read_labels(path: Path, form: LabelForm) -> ByteArray:
    """Decode a label file to (H, W) uint8: a class, or 255 for void.

    Raises InputError for a file that is no label map, a colour that is no class's, a number that is neither.
    """
    values = _values(path, form)
    high = int(values.max(initial=0))
    low = 0 if values.dtype.kind == "u" else int(values.min(initial=0))
    if low < -1 or high > LARGEST:
        raise InputError(
            f"{path}: label {low if low < -1 else high}; labels are small whole numbers. Store one class index a pixel."
        )
    if form.plain and values.dtype == np.uint8 and not ((values >= form.classes) & (values != VOID)).any():
        return values
    labels = np.take(form.table(high), values)  # -1 takes the last entry, which is void where void has -1
    if (wrong := labels == NEITHER).any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{path}: label {int(values[row, column])} at row {row}, column {column} is neither one of the "
            f"{form.classes} classes nor void. {form.remedy}"
        )
    return np.asarray(labels)


def _values(path: Path, form: LabelForm) -> NDArray[Any]:
    """(H, W) integers as they stand in the file; colours are turned into their numbers."""
    suffix = path.suffix.lower()
    values = _npy(path) if suffix == ".npy" else decode_labels(path, form.kind)
    if suffix == ".npy" and form.kind not in (None, "grey"):
        raise InputError(f"{path}: an array, where {form.kind} images are declared. Store what is declared.")
    if suffix == ".npy" and values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim == 3 and values.shape[2] in (3, 4):
        return _of_colours(path, values[..., :3], form)
    if values.ndim != 2:
        raise InputError(f"{path}: shape {values.shape}; a label map has one number a pixel. Store (height, width).")
    if values.dtype.kind not in "uib":
        raise InputError(f"{path}: {values.dtype} numbers; labels are whole numbers. Store the largest class's index.")
    return values.astype(np.int64) if values.dtype.kind == "b" or values.dtype.itemsize > 2 else values


def _npy(path: Path) -> NDArray[Any]:
    try:
        with opened(path) as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise InputError(f"{path}: more than {MOST_BYTES >> 20} MB, which no label map takes. Leave it out.")
            return np.asarray(np.load(file, allow_pickle=False))
    except InputError:
        raise
    except Exception as error:  # NumPy's reader fails in as many ways as a file can be damaged
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not an array that can be read ({reason}). Write it with numpy.save.") from None


def _of_colours(path: Path, values: NDArray[Any], form: LabelForm) -> NDArray[Any]:
    if not form.colours:
        raise InputError(
            f"{path}: an image in colour, and what its colours mean is not known. Name a data set "
            "(--dataset), or store one class index a pixel."
        )
    packed = (values[..., 0].astype(np.int64) << 16) | (values[..., 1].astype(np.int64) << 8) | values[..., 2]
    keys = np.array(sorted((r << 16) | (g << 8) | b for r, g, b in form.colours))
    numbers = np.array([form.colours[k >> 16, (k >> 8) & 255, k & 255] for k in keys.tolist()])
    place = np.minimum(np.searchsorted(keys, packed), len(keys) - 1)
    wrong = keys[place] != packed
    if wrong.any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        colour = tuple(int(part) for part in values[row, column])
        raise InputError(
            f"{path}: colour {colour} at row {row}, column {column} is no class's colour, nor void's. "
            "Store class indices, or the data set's own colours."
        )
    return np.asarray(numbers[place])
