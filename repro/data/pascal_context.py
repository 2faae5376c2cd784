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
from repro.data.format import Format, Sample, ids, nearby
from repro.data.images import ByteArray, check_labels
from repro.data.mat import read_mat
from repro.errors import InputError

IDS = {
    2: "aeroplane",
    9: "bag",
    18: "bed",
    19: "bedclothes",
    22: "bench",
    23: "bicycle",
    25: "bird",
    31: "boat",
    33: "book",
    34: "bottle",
    44: "building",
    45: "bus",
    46: "cabinet",
    59: "car",
    65: "cat",
    68: "ceiling",
    72: "chair",
    80: "cloth",
    85: "computer",
    98: "cow",
    104: "cup",
    105: "curtain",
    113: "dog",
    115: "door",
    144: "fence",
    158: "floor",
    159: "flower",
    162: "food",
    187: "grass",
    189: "ground",
    207: "horse",
    220: "keyboard",
    232: "light",
    258: "motorbike",
    259: "mountain",
    260: "mouse",
    284: "person",
    295: "plate",
    296: "platform",
    308: "pottedplant",
    324: "road",
    326: "rock",
    347: "sheep",
    349: "shelves",
    354: "sidewalk",
    355: "sign",
    360: "sky",
    366: "snow",
    368: "sofa",
    397: "table",
    415: "track",
    416: "train",
    420: "tree",
    424: "truck",
    427: "tvmonitor",
    440: "wall",
    445: "water",
    454: "window",
    458: "wood",
}
"""Number in the .mat files (as in their labels.txt) -> class."""
CLASSES = ("background", *IDS.values())
LAST_ID = 459

_TO_CLASS = np.zeros(LAST_ID + 1, dtype=np.uint8)
_TO_CLASS[list(IDS)] = np.arange(1, len(CLASSES))


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
        labels = read_label_map(sample.labels)
        check_labels(labels, len(CLASSES), sample.labels)
        return labels
    return np.asarray(_TO_CLASS[read_mat(sample.labels, LAST_ID, "LabelMap")])


_GET = "`repro data prepare pascal_context --root DIR` says what to download and unpacks it; then give --data DIR."

PASCAL_CONTEXT = Format(
    name="pascal_context",
    classes=len(CLASSES),
    splits=("train", "val"),
    counts={"train": 4998, "val": 5105},
    largest=(500, 500),
    homes=("", "VOC2010", "VOCdevkit/VOC2010"),
    marks=("ImageSets/SegmentationContext", "ImageSets/Main"),
    get=_GET,
    samples=samples,
    read_labels=read_labels,
)
