"""Image files to arrays: the same for training, evaluation and predictions.

Photographs become 8-bit RGB. Of 16 bits the upper 8 count, whatever the file's form; a palette is looked up; grey is
three equal channels; CMYK is converted without colour profiles, which are applied to no file; an alpha channel may only
say "opaque". The picture is turned upright as its EXIF orientation says. Refused: floating point (no white is defined),
transparent pixels (no colour is), several pictures in one file.

Label maps are the numbers in the file: a palette's index, a grey value. Refused: forms that need not keep them (a JPEG
under any name), numbers that are not whole or not 0 to 255, several pictures, an orientation.

A file that cannot be decoded to its last row is refused: a label map filled up with zeros would look like background.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from repro.data.disk import opened
from repro.data.images import VOID, ByteArray
from repro.data.similar_names import similar_name
from repro.errors import InputError

MOST_PIXELS = 178_956_970
"""A larger image is refused before it is decoded: Pillow's own limit against decompression bombs."""

# This limit is ours to enforce; Pillow would warn at half of it, on stderr.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "PPM", "WEBP", "JPEG2000", "TGA")
"""Others that Pillow knows start programs (EPS) or hold no photographs."""
_LOSSLESS = ("PNG", "TIFF", "BMP", "DIB", "PPM", "TGA")
"""A GIF loses no colour, but writers of grey ones number the values anew."""
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp", "jp2k")
_TRANSPOSED = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""

LabelEncoding = Literal["indexed", "grey", "rgb"]
"""How a label image holds its labels: in a palette's indices, in grey values, in colours."""
_KINDS = {"indexed": "indices of a palette (indexed)", "grey": "grey values (grey)", "rgb": "colours (rgb)"}

# What Pillow raises on damaged files, by format and by where the damage sits.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    *(KeyError, IndexError, TypeError, OverflowError, Image.DecompressionBombError),
)
INCOMPLETE = "The data set is incomplete; unpack it again."


def unreadable(path: Path, error: Exception, missing: str = INCOMPLETE) -> InputError:
    """The message for a file that is not there (`missing` says what to do then), forbidden or damaged."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return InputError(f"{path}: no such file.{similar_name(path) or f' {missing}'}")
    if isinstance(error, PermissionError):
        return InputError(f"{path}: cannot be read (permission denied). Make it readable for this user.")
    if isinstance(error, Image.DecompressionBombError):
        most = f"{MOST_PIXELS / 1e6:.0f} million"
        return InputError(f"{path}: more than {most} pixels, the most that are read. Cut it into tiles.")
    if isinstance(error, UnidentifiedImageError):
        known = f"{', '.join(_FORMATS[:-1])} and {_FORMATS[-1]}"
        return InputError(f"{path}: not an image, or damaged; {known} files are read. Copy or download it again.")
    reason = " ".join(str(error).replace(repr(str(path)), "").split()) or type(error).__name__
    return InputError(f"{path}: damaged or cut short ({reason}). Copy or download this file again.")


def photo_size(path: Path, missing: str = INCOMPLETE) -> tuple[int, int]:
    """Height and width of a photograph as `read_photo` returns it; PNG apart, from its header alone."""
    with _image(path, missing) as image:
        # of TIFFs Pillow exchanges the two by itself
        turned = image.format != "TIFF" and _orientation(image) in _TRANSPOSED
        return (image.width, image.height) if turned else (image.height, image.width)


def orientation(path: Path) -> int:
    """The EXIF orientation of an image file, 1 to 8; 1 is upright."""
    with _image(path) as image:
        return _orientation(image)


def read_photo(path: Path, missing: str = INCOMPLETE) -> ByteArray:
    """Decode a photograph to (H, W, 3) uint8 RGB, upright. InputError if it is missing, damaged or refused."""
    with _image(path, missing) as image:
        # a phone's JPEG may carry a second, smaller picture behind the photograph
        if image.format != "MPO" and (count := _pictures(image)) > 1:
            raise InputError(f"{path}: {count} pictures in one file. Save the one that is meant by itself.")
        ImageOps.exif_transpose(image, in_place=True)
        return _rgb(image, path)


def _rgb(image: Image.Image, path: Path) -> ByteArray:
    """(H, W, 3) uint8 of a decoded image."""
    if image.mode.startswith("I"):
        return _upper_bits(np.asarray(image).astype(np.int64), path)
    if image.mode not in ("1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"):
        what = "floating point, in which no value is white" if image.mode == "F" else f"{image.mode}, no RGB"
        raise InputError(f"{path}: its pixels are {what}. Save it as 8-bit RGB.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise InputError(f"{path}: has transparent pixels, whose colour is not defined. Save it without alpha.")
    return np.array(image.convert("RGB"))


def _upper_bits(values: npt.NDArray[np.int64], path: Path) -> ByteArray:
    """(H, W) grey values of 16 bits -> (H, W, 3) uint8, as Pillow reads colours of 16 bits."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise InputError(f"{path}: grey values {low} to {high}; 16 bits have 0 to 65535. Save it as 8-bit RGB.")
    if 0 < high < 256:
        raise InputError(f"{path}: 16 bits a pixel, but no value above {high}: black. Save it with 8 bits a pixel.")
    return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)


def decode_labels(path: Path, kind: LabelEncoding | None = None) -> npt.NDArray[Any]:
    """Decode a label image as it is: a palette image's indices, grey values, (H, W, channels) for colours.

    `kind`: the only one that is read; a palette image's colours where that is rgb. InputError for another, and for a
    form whose numbers need not be those that were written.
    """
    with _image(path) as image:
        form = image.format or ""
        if form not in _LOSSLESS or image.info.get("compression") in _LOSSY_TIFF:
            name = "JPEG" if form in ("JPEG", "MPO") or form == "TIFF" else form
            raise InputError(f"{path}: {name} content, which need not keep label values. Store label maps as PNG.")
        if (count := _pictures(image)) > 1:
            raise InputError(f"{path}: {count} pictures in one file. Store one label map a file.")
        if image.mode == "L" and _packed(image):
            raise InputError(
                f"{path}: grey with 2 or 4 bits a pixel, which programs scale to 0 to 255 or do not. Save it with 8 "
                "bits, or with a palette."
            )
        if _orientation(image) != 1:
            raise InputError(
                f"{path}: has an EXIF orientation ({_orientation(image)}), which label maps cannot have. Write it "
                "upright and without EXIF data."
            )
        own: LabelEncoding = "indexed" if image.mode == "P" else "grey" if len(image.getbands()) == 1 else "rgb"
        if kind == "rgb" and own == "indexed":
            return np.array(image.convert("RGB"))
        if kind not in (None, own):
            raise InputError(
                f"{path}: its pixels are {_KINDS[own]}, where {_KINDS[kind]} are declared as labels. Store what is "
                "declared."
            )
        return np.array(image)


def read_label_map(path: Path) -> ByteArray:
    """Decode a label map to (H, W) uint8: a palette image's indices, a grey image's values."""
    values = decode_labels(path)
    if values.ndim != 2:
        raise InputError(
            f"{path}: an image with {values.shape[2]} channels; a label map is a palette or grey PNG whose values are "
            "the classes. Use the label files as they were published."
        )
    if values.dtype == np.uint8 or values.dtype == np.bool_:
        return values.astype(np.uint8, copy=False)
    for wrong, rule in (
        (values != np.floor(values), "labels are whole numbers"),
        ((values < 0) | (values > VOID), f"a label map's values are 0 to {VOID}"),
    ):
        if wrong.any():
            row, column = (int(k) for k in np.argwhere(wrong)[0])
            raise InputError(
                f"{path}: label {values[row, column]:g} at row {row}, column {column}; {rule}. Use the label files as "
                "they were published."
            )
    return values.astype(np.uint8)


@contextmanager
def _image(path: Path, missing: str = INCOMPLETE) -> Iterator[Image.Image]:
    """An image file, open; what goes wrong until it is closed becomes an InputError that names it."""
    try:
        with opened(path) as file, Image.open(file, formats=_FORMATS) as image:
            yield image
    except _DAMAGE as error:
        raise unreadable(path, error, missing) from error


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def _pictures(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _packed(image: Image.Image) -> bool:
    """Whether a grey image has 2 or 4 bits a pixel, which Pillow scales to 8."""
    forms = [
        tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0] for tile in getattr(image, "tile", ())
    ]
    return any(str(form).startswith(("L;2", "L;4")) for form in forms)
