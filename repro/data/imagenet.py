"""ImageNet's validation images with their class, for the error rates of v3+ Table 4.

Russakovsky et al., "ImageNet large scale visual recognition challenge" (2015). Two layouts: `val/WNID/NAME.JPEG`, one
folder per class; or the archives as published, `val/NAME.JPEG` beside the development kit, which tells the classes.
Class k of 1,000 is the k-th WordNet id in alphabetical order, the order that pretrained weights use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repro.data.decode import unreadable
from repro.data.format import list_lines, nearby
from repro.data.mat import load_variable
from repro.errors import InputError

CLASSES = 1000

GET = (
    "Log in at https://www.image-net.org, put ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz into DIR, run "
    "`repro data prepare imagenet --root DIR`, then give --data DIR."
)


@dataclass(frozen=True)
class Labelled:
    """An image file and its class, 0 to 999."""

    image: Path
    index: int


def validation(root: Path) -> tuple[Labelled, ...]:
    """The validation images by file name; InputError if they are not at `root` or do not fit the development kit."""
    folder = root / "val"
    if not folder.is_dir():
        raise InputError(f"{folder}: no such directory (--data for imagenet). {GET}")
    try:
        wnids = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise unreadable(folder, error) from error
    if wnids:
        in_folders = [Labelled(path, k) for k, wnid in enumerate(wnids) for path in (folder / wnid).glob("*.JPEG")]
        if not in_folders:
            raise InputError(f"{folder}: no *.JPEG in its folders. {GET}")
        return tuple(sorted(in_folders, key=lambda labelled: labelled.image.name))
    images = sorted(folder.glob("*.JPEG"))
    if not images:
        raise InputError(f"{folder}: no images in it. {GET}")
    kit = nearby(root, ("ILSVRC2012_devkit_t12/data",))
    if kit is None:
        raise InputError(f"{root}: no ILSVRC2012_devkit_t12 in it to tell the images' classes. {GET}")
    truth = _ground_truth(kit)
    if len(truth) != len(images):
        raise InputError(f"{folder}: {len(images)} images for the development kit's {len(truth)}. Unpack it again.")
    return tuple(Labelled(image, index) for image, index in zip(images, truth, strict=True))


def _ground_truth(kit: Path) -> list[int]:
    """Class of each validation image in file order, from the development kit's own numbers."""
    numbers = _class_numbers(kit / "meta.mat")
    truth = []
    for place, line in list_lines(kit / "ILSVRC2012_validation_ground_truth.txt"):
        if not line.isdecimal() or int(line) not in numbers:
            raise InputError(f"{place}: {line!r} is not one of the kit's {len(numbers)} classes. Unpack it again.")
        truth.append(numbers[int(line)])
    return truth


def _class_numbers(path: Path) -> dict[int, int]:
    """The kit's class number -> place of its WordNet id in alphabetical order."""
    synsets = load_variable(path, "synsets")
    try:
        wnids = {int(s["ILSVRC2012_ID"].item()): str(s["WNID"]) for s in synsets if s["num_children"].item() == 0}
    except (ValueError, OverflowError, LookupError, TypeError, AttributeError) as error:
        raise unreadable(path, error) from error
    order = {wnid: k for k, wnid in enumerate(sorted(wnids.values()))}
    return {number: order[wnid] for number, wnid in wnids.items()}
