"""PASCAL-Person-Part: 6 parts of the body and background, on VOC 2010's images.

Chen et al., "Attention to scale" (2016), after PASCAL-Part (Chen et al., "Detect what you can", 2014); distributed by
the DeepLab authors as `pascal_person_part.zip`: `pascal_person_part_gt/ID.png` and
`pascal_person_part_trainval_list/{train,val}_id.txt`. Copies exist in which a label map's palette was turned into
colours; these are VOC's first seven and are turned back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.decode import decode_labels, read_label_map
from repro.data.format import DiskFormat, Sample, ids, nearby
from repro.data.images import VOID, ByteArray
from repro.errors import InputError
from repro.spec.colours import voc_colours

COLOURS = np.array(voc_colours(7), dtype=np.uint8)

_IMAGES = (
    "pascal_person_part/JPEGImages",
    "VOCdevkit/VOC2010/JPEGImages",
    "VOCdevkit/VOC2012/JPEGImages",
    "JPEGImages",
)


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """A split in its list's order."""
    images = nearby(home, _IMAGES)
    if images is None:
        raise InputError(f"{home}: VOC 2010's JPEGImages is not here, nor in VOCdevkit/VOC2010. {_GET}")
    return tuple(
        Sample(name, images / f"{name}.jpg", home / f"pascal_person_part_gt/{name}.png", place)
        for name, place in ids(home / f"pascal_person_part_trainval_list/{split}_id.txt")
    )


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: classes 0 to 6, void 255."""
    values = decode_labels(sample.labels)
    return _from_colours(values[..., :3]) if values.ndim == 3 else read_label_map(sample.labels)


def _from_colours(pixels: ByteArray) -> ByteArray:
    """(H, W, 3) colours to classes; 254, which no class is, for a colour that is not among them."""
    labels = np.full(pixels.shape[:2], VOID - 1, dtype=np.uint8)
    for index, colour in enumerate(COLOURS):
        labels[(pixels == colour).all(axis=2)] = index
    return labels


_GET = "`repro data prepare person_part --root DIR` says what to download and unpacks it; then give --data DIR."

PERSON_PART = DiskFormat(
    name="person_part",
    splits=("train", "val"),
    largest=(500, 500),
    homes=("", "pascal_person_part"),
    marks=("pascal_person_part_trainval_list",),
    get=_GET,
    samples=samples,
    read_labels=read_labels,
)
