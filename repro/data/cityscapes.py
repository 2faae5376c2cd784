"""Cityscapes: 19 train ids, fine and coarse annotations.

Cordts et al., "The Cityscapes dataset for semantic urban scene understanding" (2016). Labels are the published
`*_labelIds.png`; they are mapped to train ids here, so nobody has to make `labelTrainIds` files first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.decode import read_label_map
from repro.data.format import DiskFormat, Sample
from repro.data.images import VOID, ByteArray
from repro.errors import InputError

TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The file's id of each class in the order of train ids; the other ids from 0 to 33 are void."""
LAST_ID = 33

_FOLDERS = {
    "train": ("train", "gtFine"),
    "val": ("val", "gtFine"),
    "train_coarse": ("train", "gtCoarse"),
    "train_extra": ("train_extra", "gtCoarse"),
}
_SUFFIX = "_leftImg8bit.png"

_TO_TRAIN_ID = np.full(256, VOID, dtype=np.uint8)
_TO_TRAIN_ID[list(TRAIN_IDS)] = np.arange(len(TRAIN_IDS))


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """All images of a split, by city and name."""
    folder, kind = _FOLDERS[split]
    images, annotations = home / "leftImg8bit" / folder, home / kind / folder
    if not annotations.is_dir():  # the coarse ones are an archive of their own, which few have
        raise InputError(f"{annotations}: no such directory. {_GET if kind == 'gtFine' else _GET_COARSE}")
    samples = []
    for image in sorted(images.glob(f"*/*{_SUFFIX}")):
        name = image.name.removesuffix(_SUFFIX)
        labels = annotations / image.parent.name / f"{name}_{kind}_labelIds.png"
        made = labels.with_name(f"{name}_{kind}_labelTrainIds.png")
        if made.exists() and not labels.exists():
            raise InputError(
                f"{labels}: no such file, though {made.name} is there. The published labelIds are read, and become "
                f"train ids here. {_GET if kind == 'gtFine' else _GET_COARSE}"
            )
        samples.append(Sample(name, image, labels, str(image)))
    if not samples:
        raise InputError(f"{images}: no */*{_SUFFIX} in it. {_GET}")
    return tuple(samples)


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: train ids 0 to 18, and 255 for every other id."""
    values = read_label_map(sample.labels)
    if values.max() > LAST_ID:
        row, column = (int(k) for k in np.argwhere(values > LAST_ID)[0])
        raise InputError(
            f"{sample.labels}: id {values[row, column]} at row {row}, column {column}; Cityscapes has ids 0 to "
            f"{LAST_ID}. The file is damaged, or holds something else than label ids."
        )
    return np.asarray(_TO_TRAIN_ID[values])


_GET = (
    "Log in at https://www.cityscapes-dataset.com, put leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into "
    "DIR, run `repro data prepare cityscapes --root DIR`, then give --data DIR."
)

_GET_COARSE = "Put gtCoarse.zip, for train_extra leftImg8bit_trainextra.zip too, into DIR and prepare it again."

CITYSCAPES = DiskFormat(
    name="cityscapes",
    splits=tuple(_FOLDERS),
    largest=(1024, 2048),
    homes=("", "cityscapes"),
    marks=("leftImg8bit",),
    get=_GET,
    samples=samples,
    read_labels=read_labels,
)
