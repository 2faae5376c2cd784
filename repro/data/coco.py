"""COCO restricted to VOC's classes, as v2 (section 4.1.2) and v3 (section 4.3) train on it before VOC.

Lin et al., "Microsoft COCO: common objects in context" (2014). v3 takes trainval without minival, which is what was
later published as train2017, and the images whose annotations of VOC's classes cover more than 1,000 pixels; other
classes become background. The papers do not say what happens where annotations overlap: here the smaller one is on
top, since a COCO table or sofa includes what lies on it. Crowds are filled with their class.

`convert` does this once, into `voc_labels/SPLIT/NAME.png` and, last, `voc_labels/SPLIT.txt`; the loader reads those.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from repro.data.coco_masks import annotation
from repro.data.decode import MOST_PIXELS, read_label_map, unreadable
from repro.data.disk import opened, unwritable
from repro.data.format import DiskFormat, Sample, list_lines
from repro.data.images import ByteArray
from repro.errors import InputError
from repro.files import write

VOC_NAMES = {
    "airplane": "aeroplane",
    "motorcycle": "motorbike",
    "couch": "sofa",
    "tv": "tv monitor",
}
"""COCO's name -> VOC's, where they differ."""
MIN_PIXELS = 1000
"""An image is kept if more pixels than these have one of VOC's classes (v3, section 4.3)."""

_YEARS = {"train": "train2017", "val": "val2017"}


def samples(home: Path, split: str) -> tuple[Sample, ...]:
    """The kept images of a split, by name."""
    path = home / f"voc_labels/{split}.txt"
    if not path.exists():
        raise InputError(f"{path}: COCO's annotations were not converted yet. {_GET}")
    return tuple(
        Sample(name, home / _YEARS[split] / f"{name}.jpg", home / f"voc_labels/{split}/{name}.png", place)
        for place, name in list_lines(path)
    )


def read_labels(sample: Sample) -> ByteArray:
    """(H, W) uint8: VOC's classes 0 to 20."""
    return read_label_map(sample.labels)


def voc_classes(categories: Iterable[dict[str, Any]], names: Sequence[str]) -> dict[int, int]:
    """COCO's category id -> index among VOC's class names, background first, for the 20 that both have.

    KeyError or ValueError if one is missing.
    """
    index = {name: i for i, name in enumerate(names)}
    indices = {c["id"]: index.get(VOC_NAMES.get(c["name"], c["name"])) for c in categories}
    by_category = {category: i for category, i in indices.items() if i is not None}
    if sorted(by_category.values()) != list(range(1, len(names))):
        raise ValueError("its categories do not include all of VOC's classes")
    return by_category


def label_map(annotations: Iterable[dict[str, Any]], classes: dict[int, int], height: int, width: int) -> ByteArray:
    """(height, width) uint8 VOC classes of one image's annotations; smaller ones lie on top."""
    labels = np.zeros((height, width), dtype=np.uint8)
    masks = [
        (annotation(a["segmentation"], height, width), classes[a["category_id"]])
        for a in annotations
        if a["category_id"] in classes
    ]
    for mask, index in sorted(masks, key=lambda pair: -int(pair[0].sum())):
        labels[mask] = index
    return labels


def _labels(image: dict[str, Any], annotations: Iterable[dict[str, Any]], classes: dict[int, int]) -> ByteArray:
    """The label map of one entry of `images`; ValueError that names it if its annotations cannot be drawn."""
    height, width = image["height"], image["width"]
    try:
        if not (isinstance(height, int) and isinstance(width, int) and 0 < height * width <= MOST_PIXELS):
            raise ValueError(f"{height} x {width} pixels")
        return label_map(annotations, classes, height, width)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{image['file_name']}: {type(error).__name__}: {error}") from None


def convert(home: Path, split: str, names: Sequence[str], progress: Callable[[int, int], None] | None = None) -> int:
    """Write the label maps and the list of a split; return how many images were kept.

    `names`: VOC's classes in label order. `progress` gets (images done, images in all). InputError for a missing or
    damaged annotation file.
    """
    source = home / f"annotations/instances_{_YEARS[split]}.json"
    folder = home / "voc_labels" / split
    try:
        with opened(source) as file:
            annotated = json.loads(file.read())
        classes = voc_classes(annotated["categories"], names)
        by_image = defaultdict(list)
        for a in annotated["annotations"]:
            by_image[a["image_id"]].append(a)
        images: list[dict[str, Any]] = sorted(annotated["images"], key=lambda image: str(image["file_name"]))
        folder.mkdir(parents=True, exist_ok=True)
        kept = []
        for done, image in enumerate(images, 1):
            labels = _labels(image, by_image[image["id"]], classes)
            if np.count_nonzero(labels) > MIN_PIXELS:
                kept.append(Path(image["file_name"]).stem)
                Image.fromarray(labels).save(folder / f"{kept[-1]}.png")
            if progress is not None:
                progress(done, len(images))
        write(folder.with_suffix(".txt"), "".join(f"{name}\n" for name in kept).encode())
    except FileNotFoundError as error:
        raise unreadable(source, error) from error
    except OSError as error:
        raise unwritable(folder, "label maps", error, "give another --root") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{source}: not COCO's annotations, or damaged ({error}). Unpack this file again.") from error
    return len(kept)


_GET = "`repro data prepare coco --root DIR` downloads and converts them; then give --data DIR."

COCO = DiskFormat(
    name="coco",
    splits=tuple(_YEARS),
    exact=False,
    largest=(640, 640),
    homes=("", "coco"),
    marks=("annotations", "voc_labels"),
    get=_GET,
    samples=samples,
    read_labels=read_labels,
)
