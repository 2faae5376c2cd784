"""PASCAL-Context: 59 classes and background, on VOC 2010's images.

Mottaghi et al., "The role of context for object detection and semantic segmentation in the wild" (2014). Labels are
the published .mat files (459 classes), of which the 59 most frequent count, in alphabetical order; or PNGs in
`SegmentationClassContext` that were made from them in that order. Lists are `ImageSets/SegmentationContext` where
that folder exists, else VOC 2010's `ImageSets/Main`: 4,998 and 5,105 images, the numbers that the papers give.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.decode import read_label_map
from repro.data.format import DiskFormat, Sample, ids, nearby
from repro.data.images import ByteArray
from repro.data.mat import read_mat
from repro.errors import InputError

IDS = (
    2,
    9,
    18,
    19,
    22,
    23,
    25,
    31,
    33,
    34,
    44,
    45,
    46,
    59,
    65,
    68,
    72,
    80,
    85,
    98,
    104,
    105,
    113,
    115,
    144,
    158,
    159,
    162,
    187,
    189,
    207,
    220,
    232,
    258,
    259,
    260,
    284,
    295,
    296,
    308,
    324,
    326,
    347,
    349,
    354,
    355,
    360,
    366,
    368,
    397,
    415,
    416,
    420,
    424,
    427,
    440,
    445,
    454,
    458,
)
"""Number in the .mat files (as in their labels.txt) of each class but background, in the classes' order."""
LAST_ID = 459

_TO_CLASS = np.zeros(LAST_ID + 1, dtype=np.uint8)
_TO_CLASS[list(IDS)] = np.arange(1, len(IDS) + 1)


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """A split in its list's order."""
    lists = home / "ImageSets/SegmentationContext"
    if not lists.is_dir():
        lists = home / "ImageSets/Main"
    labels, suffix = nearby(home, ("SegmentationClassContext",)), ".png"
    if labels is None:
        labels, suffix = nearby(home, ("pascal-context/trainval", "context/trainval", "trainval")), ".mat"
    if labels is None:
        raise InputError(f"{home}: the labels are not here: no SegmentationClassContext, no trainval. {_GET}")
    return tuple(
        Sample(name, home / f"JPEGImages/{name}.jpg", labels / (name + suffix), place)
        for name, place in ids(lists / f"{split}.txt")
    )


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: 0 is whatever is not among the 59 classes 1 to 59."""
    if sample.labels.suffix == ".png":
        return read_label_map(sample.labels)
    return np.asarray(_TO_CLASS[read_mat(sample.labels, LAST_ID, "LabelMap")])


_GET = "`repro data prepare pascal_context --root DIR` says what to download and unpacks it; then give --data DIR."

PASCAL_CONTEXT = DiskFormat(
    name="pascal_context",
    splits=("train", "val"),
    largest=(500, 500),
    homes=("", "VOC2010", "VOCdevkit/VOC2010"),
    marks=("ImageSets/SegmentationContext", "ImageSets/Main"),
    get=_GET,
    samples=samples,
    read_labels=read_labels,
)
