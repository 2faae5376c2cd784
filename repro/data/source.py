"""A split of any data set as arrays, and the fingerprint of what a protocol reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from repro.data import scene_settings, scenes
from repro.data.cache import Content, cached, warn
from repro.data.camvid import CAMVID
from repro.data.cityscapes import CITYSCAPES
from repro.data.coco import COCO
from repro.data.declared import declared_format
from repro.data.decode import orientation, photo_size, read_photo
from repro.data.fingerprint import Digests, of_samples
from repro.data.format import DiskFormat, Sample, repeated
from repro.data.images import VOID, ByteArray, PaddedSplit, resize_labels, resize_photo
from repro.data.images import resized as resized_size
from repro.data.pascal_context import PASCAL_CONTEXT
from repro.data.person_part import PERSON_PART
from repro.data.threads import in_threads
from repro.data.voc2012 import VOC2012
from repro.errors import InputError, did_you_mean
from repro.memo import default_folder
from repro.spec.dataset import Dataset
from repro.spec.protocol import Data

SCENES = "scenes"
ONLY_MASKS = (
    f"no label but 0 and {VOID}, and {VOID} is void: one class is left, which every network gets right. If these are "
    f"masks of 0 and {VOID}, write them as class indices, 0 and 1, or say so in a file that declares the data set "
    f"(docs/extending.md: labels.values = [0, {VOID}], labels.void = [])."
)
PresenceArray = npt.NDArray[np.bool_]
FORMATS: dict[str, DiskFormat] = {
    form.name: form for form in (CAMVID, VOC2012, CITYSCAPES, PASCAL_CONTEXT, PERSON_PART, COCO)
}


def load(
    data: Data,
    split: str,
    root: Path | None,
    cache: Path,
    declared: Dataset | None = None,
    warning: Callable[[str], None] = warn,
) -> PaddedSplit:
    """The images of a split, memory-mapped from `cache`; decoded (or drawn) on the first call.

    `root` is the data set's directory (None for the embedded scenes); `declared` says how a data set of the user's own
    is read; `warning` gets where `cache` was damaged. InputError for whatever is wrong with the data set, with a file
    in it, or with `cache`.
    """
    if data.name == SCENES:
        digests = _module_digests("images", "cache", "scenes", "scene_settings")
        drawn = _key(scene_settings.fingerprint(data), split, *digests)
        return cached(cache, drawn, lambda: _drawn(data, split), warning)
    form = format_of(data.name, declared)
    home = form.home(root)
    samples = _samples(form, home, data, split)
    content = of_samples(samples, Digests(cache, home))
    own = form.module.rpartition(".")[2]
    modules = _module_digests("images", "decode", "label_form", "cache", "mat", "source", own)
    key = _key(data.name, form.reading, content, str(data.side), str(data.classes), *modules)
    return cached(cache, key, lambda: _decoded(form, samples, data), warning)


def fingerprint(data: Data, root: Path | None, cache: Path | None = None, declared: Dataset | None = None) -> str:
    """20 hex digits of the content of every file that both splits read, whatever directory they are in.

    Also of what a declaration says that its labels mean. File hashes are remembered in `cache` (default: the user's
    cache folder) while files stay as they are, so that the next call reads no file.
    """
    if data.name == SCENES:
        return scene_settings.fingerprint(data)
    form = format_of(data.name, declared)
    home = form.home(root)
    digests = Digests(cache or default_folder(), home)
    splits = dict.fromkeys((data.train_split, data.val_split))
    contents = (of_samples(_samples(form, home, data, split), digests) for split in splits)
    return _key(data.name, *([form.reading] if form.reading else []), *contents)


def repetitions(data: Data, split: str, root: Path | None, declared: Dataset | None = None) -> str:
    """What a list says of images that it names more than once; empty where it names each one once."""
    if data.name == SCENES:
        return ""
    form = format_of(data.name, declared)
    again = repeated(_samples(form, form.home(root), data, split))
    if not again:
        return ""
    first, second = again[0]
    return (
        f"{second.listed}: {second.image.name} stands in this list already ({first.listed}); {len(again)} lines of "
        f"{split} name an image again. Each counts as often as it is named."
    )


def format_of(name: str, declared: Dataset | None = None) -> DiskFormat:
    """The form on disk of a data set: a built-in one's, or that which `declared` describes. InputError for others."""
    if name in FORMATS:
        return FORMATS[name]
    if declared is not None:
        return declared_format(name, declared)
    names = (SCENES, *FORMATS)
    raise InputError(
        f"data.name: {name!r} is not a data set; there are {', '.join(names)}." + did_you_mean(name, names)
    )


def _samples(form: DiskFormat, home: Path, data: Data, split: str) -> tuple[Sample, ...]:
    """The split's samples, as many as `data` allows."""
    samples = form.samples(home, form.checked_split(split))
    return samples[: data.train_images if split == data.train_split else data.val_images]


def _decoded(form: DiskFormat, samples: tuple[Sample, ...], data: Data) -> Content:
    sizes = [resized_size(size, data.side) for size in in_threads(lambda sample: photo_size(sample.image), samples)]
    names = tuple(sample.name for sample in samples)
    return Content(names, np.array(sizes, dtype=np.int32), _decode_all(form, samples, data))


def _decode_all(form: DiskFormat, samples: tuple[Sample, ...], data: Data) -> Iterator[tuple[ByteArray, ByteArray]]:
    """Decode and resize in threads (Pillow works outside the interpreter's lock), in order, a bounded number ahead."""

    def pair(sample: Sample) -> tuple[ByteArray, ByteArray, PresenceArray]:
        pixels, labels = decode_pair(form, sample, data.classes)
        size = resized_size((labels.shape[0], labels.shape[1]), data.side)
        return resize_photo(pixels, size), resize_labels(labels, size), classes_present(labels)

    present = np.zeros(VOID + 1, dtype=np.bool_)
    for pixels, labels, own in in_threads(pair, samples):
        present |= own
        yield pixels, labels
    if only_masks(present):
        raise InputError(f"{samples[0].labels.parent}: {ONLY_MASKS}")


def decode_pair(form: DiskFormat, sample: Sample, classes: int) -> tuple[ByteArray, ByteArray]:
    """One image (h, w, 3) and its labels (h, w); InputError if a file is damaged or they do not fit each other."""
    pixels, labels = read_photo(sample.image), form.labels(sample, classes)
    if pixels.shape[:2] != labels.shape:
        raise InputError(
            f"{sample.labels}: {_size(labels)} pixels, but its image {sample.image} has {_size(pixels)} "
            f"({sample.listed}). {_misfit(sample, pixels, labels)}"
        )
    return pixels, labels


def _misfit(sample: Sample, pixels: ByteArray, labels: ByteArray) -> str:
    """Why labels and image may differ in size, and what to do."""
    if labels.shape != pixels.shape[1::-1]:
        return "Labels belong to the image as published, not to a resized copy."
    tag = orientation(sample.image)
    if tag < 5:
        return "One of the two is transposed: height and width are exchanged. Turn it as the other one is."
    return (
        f"They are transposed: the image is turned upright as its EXIF orientation {tag} says, and the labels belong "
        "to the image as it is stored. Turn the labels, or remove the tag if it is wrong."
    )


def classes_present(labels: ByteArray) -> PresenceArray:
    """(256,) bool: which values occur in labels (H, W)."""
    return np.bincount(labels.ravel(), minlength=VOID + 1) > 0


def only_masks(present: PresenceArray) -> bool:
    """Whether a split's labels (256,) look like masks of black and white: nothing but 0 and void, and both."""
    return bool(present[0] and present[VOID] and present.sum() == 2)


def _size(array: ByteArray) -> str:
    """Width x height, as image programs print it."""
    return f"{array.shape[1]} x {array.shape[0]}"


def _drawn(data: Data, split: str) -> Content:
    images = scenes.load(data, split)
    return Content(images.names, images.sizes, zip(images.pixels, images.labels, strict=True))


def _module_digests(*modules: str) -> tuple[str, ...]:
    """Hashes of the modules that decide what a cache holds: a change in one makes new entries."""
    here = Path(__file__).parent
    return tuple(hashlib.sha256((here / f"{module}.py").read_bytes()).hexdigest() for module in modules)


def _key(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
