"""A picture with its label map: palette PNG, and an overlay with a legend of the classes that occur."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from repro.report.content import ClassTable
from repro.report.pictures import palette

STRENGTH = 0.55
"""Share of the class colour in an overlay; background keeps the picture as it is."""


def label_map(labels: NDArray[np.uint8], classes: ClassTable) -> Image.Image:
    """(H, W) uint8 classes -> palette image whose bytes are the classes, in the data set's colours."""
    image = Image.fromarray(np.ascontiguousarray(labels), mode="L")
    image.putpalette(palette(classes))
    return image


def shares(labels: NDArray[np.uint8], classes: ClassTable) -> dict[str, float]:
    """Name of each class that occurs -> its share of the pixels in [0, 1], the largest first."""
    counts = np.bincount(labels.ravel(), minlength=256)
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda k: -int(counts[k]))
    return {name(k, classes): float(counts[k] / labels.size) for k in order}


def name(label: int, classes: ClassTable) -> str:
    """What a label is called."""
    return classes.names[label] if label < len(classes.names) else f"class {label}"


def overlay(pixels: NDArray[np.uint8], labels: NDArray[np.uint8], classes: ClassTable) -> Image.Image:
    """The picture (H, W, 3) tinted by its labels, with a legend below that names the classes and their shares."""
    colours = np.array(palette(classes), dtype=np.float32).reshape(256, 3)
    tint = np.where((labels == 0) & _has_background(classes), 0.0, STRENGTH)[..., None]
    mixed = pixels * (1 - tint) + colours[labels] * tint
    legend = _legend(labels, classes, pixels.shape[1])
    out = Image.new("RGB", (max(pixels.shape[1], legend.width), pixels.shape[0] + legend.height), "white")
    out.paste(Image.fromarray(mixed.round().astype(np.uint8)), (0, 0))
    out.paste(legend, (0, pixels.shape[0]))
    return out


def _has_background(classes: ClassTable) -> bool:
    return bool(classes.names) and classes.names[0] == "background"


def _legend(labels: NDArray[np.uint8], classes: ClassTable, width: int) -> Image.Image:
    """A swatch, the name and the share of each class, in as many columns as fit; at least one."""
    size = int(min(max(width / 40, 11), 28))
    font = ImageFont.load_default(size=size)
    colours = palette(classes)
    counts = np.bincount(labels.ravel(), minlength=256)
    present = sorted(np.flatnonzero(counts).tolist(), key=lambda k: -int(counts[k]))
    entries = [(k, f"{name(k, classes)} {counts[k] / labels.size:.1%}") for k in present]
    line = size + size // 2
    column = 2 * line + int(max(font.getlength(text) for _, text in entries))
    columns = max(1, width // column)
    rows = -(-len(entries) // columns)
    image = Image.new("RGB", (max(column * min(columns, len(entries)), 1), rows * line + line // 2), "white")
    draw = ImageDraw.Draw(image)
    for at, (k, text) in enumerate(entries):
        x, y = column * (at % columns) + line // 3, line * (at // columns) + line // 3
        fill = (colours[3 * k], colours[3 * k + 1], colours[3 * k + 2])
        draw.rectangle((x, y, x + size, y + size), fill=fill, outline="black")
        draw.text((x + line, y - size // 8), text, fill="black", font=font)
    return image
