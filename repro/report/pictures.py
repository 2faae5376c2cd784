"""Pictures as data URIs: photographs as JPEG, label maps as PNG with the classes' colours, within a budget of bytes."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.report.content import ClassTable, Pictures
from repro.spec.colours import VOID_COLOUR as VOID_COLOUR
from repro.spec.protocol import VOID

LONGEST, SHORTEST = 512, 96
"""Longer side (px) of a picture in the page: at most, and at least before cells are left out."""
WRONG_COLOUR = (200, 55, 10)


@dataclass(frozen=True)
class Prediction:
    """One network's answer to one image."""

    cell: str
    label: str
    uri: str
    wrong_uri: str
    """Wrong pixels coloured, right and void ones transparent."""
    correct: float | None
    """Share of non-void pixels that are right, in [0, 1]; None where all are void."""


@dataclass(frozen=True)
class Sheet:
    """One fixed image with everything that is shown of it."""

    name: str
    width: int
    height: int
    image_uri: str
    truth_uri: str
    predictions: tuple[Prediction, ...]


def sheets(pictures: Sequence[Pictures], classes: ClassTable, labels: dict[str, str], budget: int) -> tuple[Sheet, ...]:
    """Return one sheet per image, all made small enough to fit `budget` bytes together.

    `labels` has each cell's name for the reader. Image and truth are taken from the first cell: all cells of a table
    are measured on the same images; a cell with other images (another data set) gets sheets of its own.
    """
    side, shown = LONGEST, pictures
    while shown:
        made = _sheets(shown, classes, labels, side)
        total = sum(_bytes(sheet) for sheet in made)
        if total <= budget:
            return made
        if side == SHORTEST:
            shown = shown[: len(shown) // 2]
        # Bytes grow with the area at most; a little less than that settles it in one or two steps.
        side = max(SHORTEST, int(side * 0.95 * math.sqrt(budget / total)))
    return ()


def _sheets(pictures: Sequence[Pictures], classes: ClassTable, labels: dict[str, str], side: int) -> tuple[Sheet, ...]:
    colours = palette(classes)
    groups: dict[tuple[str, tuple[int, ...]], list[tuple[Pictures, int]]] = {}
    for shown in pictures:
        for k, name in enumerate(shown.names):
            groups.setdefault((name, shown.truth.shape[1:]), []).append((shown, k))
    made = []
    for (name, (height, width)), members in groups.items():
        first, k = members[0]
        step = max(height, width) / side
        size = (height, width) if step <= 1 else (max(1, round(height / step)), max(1, round(width / step)))
        predictions = []
        for shown, index in members:
            truth, prediction = shown.truth[index], shown.prediction[index]
            judged = truth != VOID
            wrong = judged & (truth != prediction)
            predictions.append(
                Prediction(
                    shown.cell,
                    labels[shown.cell],
                    label_png(nearest(prediction, size), colours),
                    _mask_png(nearest(wrong, size)),
                    float(1 - wrong.sum() / judged.sum()) if judged.any() else None,
                )
            )
        photo, truth = jpeg(first.image[k], size), label_png(nearest(first.truth[k], size), colours)
        made.append(Sheet(name, size[1], size[0], photo, truth, tuple(predictions)))
    return tuple(made)


def _bytes(sheet: Sheet) -> int:
    return len(sheet.image_uri) + len(sheet.truth_uri) + sum(len(p.uri) + len(p.wrong_uri) for p in sheet.predictions)


def palette(classes: ClassTable) -> list[int]:
    """Return 256 RGB triples, flat: the classes' colours, greys for labels without one, and void."""
    colours = [*classes.colours, *((i, i, i) for i in range(len(classes.colours), 256))]
    colours[VOID] = VOID_COLOUR
    return [int(part) for colour in colours for part in colour]


def nearest(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return (height, width) sampled at pixel centres: labels can't be averaged."""
    rows = ((np.arange(size[0]) + 0.5) * array.shape[0] / size[0]).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * array.shape[1] / size[1]).astype(np.int64)
    sampled: NDArray[Any] = array[rows][:, columns]
    return sampled


def jpeg(image: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Return a photograph (H, W, 3) at a size (height, width)."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image))
    if image.shape[:2] != size:
        picture = picture.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=86, optimize=True)
    return _uri(buffer, "jpeg")


def label_png(labels: NDArray[np.uint8], colours: list[int]) -> str:
    """Return labels (H, W) in their classes' colours."""
    return png(labels.astype(np.uint8), colours)


def _mask_png(mask: NDArray[np.bool_]) -> str:
    return png(mask.astype(np.uint8), [255, 255, 255, *WRONG_COLOUR], transparency=0, bits=1)


def png(indices: NDArray[np.uint8], colours: list[int], **options: int) -> str:
    """Return (H, W) indices into `colours`, up to 256 RGB triples, flat."""
    from PIL import Image

    height, width = indices.shape
    picture = Image.frombytes("P", (width, height), np.ascontiguousarray(indices).tobytes())
    picture.putpalette(colours)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return _uri(buffer, "png")


def _uri(buffer: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
