"""Decoded images on disk, memory-mapped: made once, under a lock, whole or not at all.

A folder per content key: `pixels.npy`, `labels.npy`, `sizes.npy` and, written last, `index.json` with the names, the
checksum and the length of every file, and its own checksum. The folder is built beside its place and renamed, so a
reader sees all of it or nothing. Every process checks every byte before the first use, at a gigabyte a second and more:
a result is computed from nothing else, and its key speaks of the images, not of this copy. A damaged folder is built
again.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from repro.data.disk import unwritable
from repro.data.images import VOID, ByteArray, PaddedSplit
from repro.errors import InputError
from repro.files import Damaged, describe, read, remove, seal, sync, temporary_folder, unreadable, unseal, write


@dataclass(frozen=True)
class Content:
    """What a cache folder shall hold."""

    names: tuple[str, ...]
    sizes: npt.NDArray[np.int32]
    """(N, 2): height and width of each image."""
    images: Iterable[tuple[ByteArray, ByteArray]]
    """N pairs of pixels (h, w, 3) and labels (h, w), in the order of `names`; read once."""


def warn(message: str) -> None:
    """Write a warning to stderr."""
    print(message, file=sys.stderr)


def cached(cache: Path, key: str, content: Callable[[], Content], warning: Callable[[str], None] = warn) -> PaddedSplit:
    """The images stored under `key`, memory-mapped and read-only; `content` is called only if they are not there.

    `warning` gets a damaged folder. InputError if the folder cannot be written or is full; nothing half-made is left
    in that case.
    """
    folder = cache / "images" / key
    try:
        images = _open(folder, lambda _text: None)
        if images is not None:
            return images
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(folder)):
            images = _open(folder, warning)
            if images is None:
                _build(folder, content())
                images = _open(folder, warning)
    except OSError as error:
        raise unwritable(folder.parent, "decoded images", error, "give another --store") from error
    if images is None:
        raise InputError(f"{folder}: changed while it was written. Remove that folder and run again.")
    return images


def _lock(folder: Path) -> Path:
    path = folder.with_suffix(".lock")
    if path.is_symlink() or path.is_dir():
        remove(path)  # some versions of filelock would empty what a link leads to
    return path


def _open(folder: Path, warning: Callable[[str], None]) -> PaddedSplit | None:
    """The folder's images, every byte checked; None if there is nothing, or something else, which `warning` gets."""
    if not os.path.lexists(folder):
        return None
    try:
        index = unseal(read(folder / "index.json"))
        for name, expected in index["files"].items():
            if describe(folder / name) != expected:
                raise Damaged(f"{name} does not match its checksum")
        # copy-on-write: nobody writes, but torch warns of arrays that cannot be written
        pixels, labels = (np.load(folder / f"{part}.npy", mmap_mode="c") for part in ("pixels", "labels"))
        return PaddedSplit(pixels, labels, np.load(folder / "sizes.npy"), tuple(index["names"]))
    except OSError as error:
        if not unreadable(error):
            raise
        reason = f"{Path(error.filename or folder).name}: {error.strerror}"
    except (Damaged, ValueError, KeyError, TypeError) as error:
        reason = str(error)
    warning(f"{folder}: damaged ({reason}). These images are decoded again.")
    return None


def _build(folder: Path, content: Content) -> None:
    """Write the folder beside its place, flush it to the disk, then move it there."""
    with temporary_folder(folder) as temporary:
        _check_space(temporary, content.sizes)
        _write(temporary, content)
        files = {path.name: describe(path) for path in sorted(temporary.iterdir())}
        write(temporary / "index.json", seal({"names": content.names, "files": files}))
        sync(temporary)
        remove(folder)
        os.replace(temporary, folder)


def _write(folder: Path, content: Content) -> None:
    """Write the three arrays.

    The arrays are written as files, not through a memory map: on a full disk a map ends in a bus error that kills
    the process without a message.
    """
    height, width = (int(k) for k in content.sizes.max(axis=0))
    count = len(content.names)
    with open(folder / "pixels.npy", "wb") as pixels_file, open(folder / "labels.npy", "wb") as labels_file:
        _header(pixels_file, (count, height, width, 3))
        _header(labels_file, (count, height, width))
        for pixels, labels in content.images:
            h, w = labels.shape
            canvas = np.zeros((height, width, 3), dtype=np.uint8)
            canvas[:h, :w] = pixels
            pixels_file.write(canvas.data)
            mask = np.full((height, width), VOID, dtype=np.uint8)
            mask[:h, :w] = labels
            labels_file.write(mask.data)
        for file in (pixels_file, labels_file):
            file.flush()
            os.fsync(file.fileno())
    np.save(folder / "sizes.npy", content.sizes)


def _header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _check_space(folder: Path, sizes: npt.NDArray[np.int32]) -> None:
    """Say at once what would otherwise fail after minutes of decoding."""
    height, width = (int(k) for k in sizes.max(axis=0))
    needed, free = len(sizes) * height * width * 4, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
