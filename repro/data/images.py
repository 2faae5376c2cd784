"""Images in memory: a split padded to one size, label values, resizing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from repro.errors import InputError
from repro.spec.protocol import VOID as VOID

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PaddedSplit:
    """A split of a data set, padded to one size."""

    pixels: ByteArray
    """(N, H, W, 3) uint8 RGB, padded at bottom and right with 0."""
    labels: ByteArray
    """(N, H, W) uint8 classes; void and padding are 255."""
    sizes: npt.NDArray[np.int32]
    """(N, 2) int32: true height and width of each image."""
    names: tuple[str, ...]


def check_labels(labels: ByteArray, classes: int, path: Path) -> None:
    """Refuse labels (H, W) that are neither below `classes` nor void; `path` is the file to blame."""
    wrong = (labels >= classes) & (labels != VOID)
    if wrong.any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{path}: label {labels[row, column]} at row {row}, column {column}; the {classes} classes are 0 to "
            f"{classes - 1}. These are not this data set's labels, or the file is damaged."
        )


def resized(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """Height and width after the longer side was brought to `side` pixels (None: as they are)."""
    if side is None:
        return size
    longer = max(size)
    height, width = (max(1, (2 * length * side + longer) // (2 * longer)) for length in size)
    return height, width


def resize_photo(pixels: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Resize (H, W, 3) uint8 to `size`, bilinear; on the way down its support grows with the factor (antialias)."""
    if pixels.shape[:2] == size:
        return pixels
    return np.array(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def resize_labels(labels: ByteArray, size: tuple[int, int]) -> ByteArray:
    """Resize (H, W) uint8 to `size`, each pixel from the nearest, so that no class is made up in between."""
    if labels.shape == size:
        return labels
    return np.array(Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST))
