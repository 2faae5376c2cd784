"""PASCAL VOC 2012 segmentation, with SBD's annotations for `trainaug`.

`trainaug` (10,582 images; v3, section 4) is VOC's train and every image of SBD (Hariharan et al., "Semantic contours
from inverse detectors", 2011) that is not in VOC's val. An image of VOC's train keeps VOC's own labels, with their
void border; the others have SBD's, which have none: from `SegmentationClassAug` where that folder was put, else from
SBD's .mat files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.decode import read_label_map
from repro.data.format import DiskFormat, Sample, ids, nearby
from repro.data.images import ByteArray
from repro.data.mat import read_mat
from repro.errors import InputError

_LARGEST_LABEL = 254
"""In SBD's files; which classes there are is checked by whoever reads, and void they have not."""

_SBD = ("benchmark_RELEASE/dataset", "sbd", "SBD")
_AUGMENTED_LISTS = ("trainaug.txt", "train_aug.txt")


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """A VOC split in its list's order, or trainaug sorted by id."""
    if split == "trainaug":
        return _trainaug(home)
    return tuple(
        Sample(name, home / f"JPEGImages/{name}.jpg", home / f"SegmentationClass/{name}.png", place)
        for name, place in ids(home / f"ImageSets/Segmentation/{split}.txt")
    )


def _trainaug(home: Path) -> tuple[Sample, ...]:
    lists = home / "ImageSets/Segmentation"
    own = dict(ids(lists / "train.txt"))
    val = {name for name, _ in ids(lists / "val.txt")}
    sbd = nearby(home, _SBD)
    places = {**_augmented_ids(lists, sbd, val), **own}
    augmented = nearby(home, ("SegmentationClassAug",))
    chosen = []
    for name, place in sorted(places.items()):
        if name in own:
            labels = home / f"SegmentationClass/{name}.png"
        elif augmented is not None:
            labels = augmented / f"{name}.png"
        elif sbd is not None:
            labels = sbd / f"cls/{name}.mat"
        else:
            raise InputError(f"{place}: no labels for {name}: neither SegmentationClassAug nor SBD is here. {_GET_SBD}")
        chosen.append(Sample(name, home / f"JPEGImages/{name}.jpg", labels, place))
    return tuple(chosen)


def _augmented_ids(lists: Path, sbd: Path | None, val: set[str]) -> dict[str, str]:
    """id -> place of the images that SBD adds: both of its lists without VOC's val, else a ready list of trainaug."""
    if sbd is not None:
        both = dict((*ids(sbd / "train.txt"), *ids(sbd / "val.txt")))
        return {name: place for name, place in both.items() if name not in val}
    for path in (lists / name for name in _AUGMENTED_LISTS):
        if path.exists():
            listed = dict(ids(path))
            leaked = sorted(val & listed.keys())
            if leaked:
                raise InputError(
                    f"{listed[leaked[0]]}: {leaked[0]} is an image of VOC's val, as are {len(leaked) - 1} more here. "
                    "A trainaug list without val has 10,582 ids."
                )
            return listed
    raise InputError(f"{lists / _AUGMENTED_LISTS[0]}: no such list file, and SBD is not here. {_GET_SBD}")


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8, classes 0 to 20 and void 255, from a palette PNG or SBD's .mat."""
    if sample.labels.suffix == ".mat":
        return read_mat(sample.labels, _LARGEST_LABEL, "GTcls", "Segmentation").astype(np.uint8)
    return read_label_map(sample.labels)


_GET_SBD = "`repro data prepare voc2012 --root DIR` downloads and unpacks SBD."

VOC2012 = DiskFormat(
    name="voc2012",
    splits=("train", "val", "trainval", "trainaug"),
    largest=(500, 500),
    homes=("", "VOC2012", "VOCdevkit/VOC2012"),
    marks=("ImageSets/Segmentation",),
    get="`repro data prepare voc2012 --root DIR` downloads and unpacks it; then give --data DIR.",
    samples=samples,
    read_labels=read_labels,
)
