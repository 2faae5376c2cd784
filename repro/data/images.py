"""Images in memory, and the files they come from: decoding, resizing, padding.

Photographs are RGB; label maps are palette or grey PNGs whose byte is the class (VOC's form), void is 255. A file
that cannot be decoded to its last row is refused: a label map filled up with zeros would look like background.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from repro.errors import InputError

VOID = 255

ByteArray = npt.NDArray[np.uint8]

# What Pillow raises on damaged files, by format and by where the damage sits.
_DAMAGE = (SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Images:
    """A split of a data set, padded to one size."""

    pixels: ByteArray
    """(N, H, W, 3) uint8 RGB, padded at bottom and right with 0."""
    labels: ByteArray
    """(N, H, W) uint8 classes; void and padding are 255."""
    sizes: npt.NDArray[np.int32]
    """(N, 2) int32: true height and width of each image."""
    names: tuple[str, ...]


def unreadable(path: Path, error: Exception) -> InputError:
    """The message for a file that is missing, forbidden or damaged."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file. The data set is incomplete; unpack it again.")
    if isinstance(error, PermissionError):
        return InputError(f"{path}: cannot be read (permission denied). Make it readable for this user.")
    reason = " ".join(str(error).replace(repr(str(path)), "").split()) or type(error).__name__
    return InputError(f"{path}: damaged or cut short ({reason}). Copy or download this file again.")


def photo_size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its header alone."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, *_DAMAGE) as error:
        raise unreadable(path, error) from error


def read_photo(path: Path) -> ByteArray:
    """Decode a photograph to (H, W, 3) uint8 RGB.

    The camera's orientation tag is ignored: no data set here annotates rotated images.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, *_DAMAGE) as error:
        raise unreadable(path, error) from error


def decode(path: Path) -> npt.NDArray[Any]:
    """Decode an image file as it is: a palette image's indices, (H, W, channels) for colours."""
    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, *_DAMAGE) as error:
        raise unreadable(path, error) from error


def read_label_map(path: Path) -> ByteArray:
    """Decode a label map to (H, W) uint8: a palette image's indices, a grey image's values."""
    values = decode(path)
    if values.ndim != 2:
        raise InputError(
            f"{path}: an image with {values.shape[2]} channels; a label map is a palette or grey PNG whose values are "
            "the classes. Use the label files as they were published."
        )
    if values.dtype != np.uint8:
        if values.dtype != np.bool_ and (values.min() < 0 or values.max() > VOID):
            raise InputError(f"{path}: label {values.max()}; a label map's values are 0 to {VOID}.")
        values = values.astype(np.uint8)
    return values


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
