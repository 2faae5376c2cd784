"""A split of any data set as arrays, and the fingerprint of what a protocol reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repro.data import look, scenes
from repro.data.cache import Content, cached
from repro.data.camvid import CAMVID
from repro.data.cityscapes import CITYSCAPES
from repro.data.coco import COCO
from repro.data.fingerprint import Digests, of_samples
from repro.data.format import Format, Sample
from repro.data.images import ByteArray, Images, check_labels, photo_size, read_photo, resize_labels, resize_photo
from repro.data.images import resized as resized_size
from repro.data.pascal_context import PASCAL_CONTEXT
from repro.data.person_part import PERSON_PART
from repro.data.threads import in_threads
from repro.data.voc2012 import VOC2012
from repro.errors import InputError, did_you_mean
from repro.memo import default_folder
from repro.spec.protocol import Data

SCENES = "scenes"
FORMATS: dict[str, Format] = {
    form.name: form for form in (CAMVID, VOC2012, CITYSCAPES, PASCAL_CONTEXT, PERSON_PART, COCO)
}


def load(data: Data, split: str, root: Path | None, cache: Path) -> Images:
    """The images of a split, memory-mapped from `cache`; decoded (or drawn) on the first call.

    `root` is the data set's directory (None for the embedded scenes). InputError for whatever is wrong with it, with
    a file in it, or with `cache`.
    """
    if data.name == SCENES:
        drawn = _key(look.fingerprint(data), split, *_module_digests("images", "cache", "scenes", "look"))
        return cached(cache, drawn, lambda: _drawn(data, split))
    form = format_of(data)
    home = form.home(root)
    samples = _samples(form, home, data, split)
    content = of_samples(samples, Digests(cache, home))
    modules = _module_digests("images", "cache", "mat", "source", Path(form.read_labels.__code__.co_filename).stem)
    key = _key(data.name, content, str(data.side), *modules)
    return cached(cache, key, lambda: _decoded(form, samples, data.side))


def fingerprint(data: Data, root: Path | None, cache: Path | None = None) -> str:
    """20 hex digits of the content of every file that both splits read, whatever directory they are in.

    File hashes are remembered in `cache` (default: the user's cache folder) by path, size and modification time, so
    that the next call reads no file.
    """
    if data.name == SCENES:
        return look.fingerprint(data)
    form = format_of(data)
    home = form.home(root)
    digests = Digests(cache or default_folder(), home)
    splits = dict.fromkeys((data.train_split, data.val_split))
    return _key(data.name, *(of_samples(_samples(form, home, data, split), digests) for split in splits))


def format_of(data: Data) -> Format:
    """The form on disk of the data set that `data` names."""
    form = FORMATS.get(data.name)
    if form is None:
        names = (SCENES, *FORMATS)
        raise InputError(
            f"data.name: {data.name!r} is not a data set; there are {', '.join(names)}."
            + did_you_mean(data.name, names)
        )
    if data.classes != form.classes:
        raise InputError(f"data.classes: {data.classes}; {data.name} has {form.classes} classes. Leave it out.")
    return form


def _samples(form: Format, home: Path, data: Data, split: str) -> tuple[Sample, ...]:
    """The split's samples, as many as `data` allows."""
    samples = form.samples(home, form.checked_split(split))
    return samples[: data.train_images if split == data.train_split else data.val_images]


def _decoded(form: Format, samples: tuple[Sample, ...], side: int | None) -> Content:
    sizes = [resized_size(photo_size(sample.image), side) for sample in samples]
    names = tuple(sample.name for sample in samples)
    return Content(names, np.array(sizes, dtype=np.int32), _decode_all(form, samples, side))


def _decode_all(form: Format, samples: tuple[Sample, ...], side: int | None) -> Iterator[tuple[ByteArray, ByteArray]]:
    """Decode and resize in threads (Pillow works outside the interpreter's lock), in order, a bounded number ahead."""

    def one(sample: Sample) -> tuple[ByteArray, ByteArray]:
        pixels, labels = decode_pair(form, sample)
        size = resized_size((labels.shape[0], labels.shape[1]), side)
        return resize_photo(pixels, size), resize_labels(labels, size)

    return in_threads(one, samples)


def decode_pair(form: Format, sample: Sample) -> tuple[ByteArray, ByteArray]:
    """One image (h, w, 3) and its labels (h, w); InputError if a file is damaged or they do not fit each other."""
    pixels, labels = read_photo(sample.image), form.read_labels(sample)
    if pixels.shape[:2] != labels.shape:
        raise InputError(
            f"{sample.labels}: {_size(labels)} pixels, but its image {sample.image} has {_size(pixels)} "
            f"({sample.listed}). Labels belong to the image as published, not to a resized copy."
        )
    check_labels(labels, form.classes, sample.labels)
    return pixels, labels


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
