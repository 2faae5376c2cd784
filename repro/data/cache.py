"""Decoded images on disk, memory-mapped: made once, under a lock, whole or not at all.

A folder per content key: `pixels.npy`, `labels.npy`, `sizes.npy` and, written last, `index.json` with the names and
the length of every file. The folder is built beside its place and renamed, so a reader sees all of it or nothing; a
folder whose files do not have the stated lengths is built again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from repro.data.disk import unwritable
from repro.data.images import VOID, ByteArray, Images
from repro.errors import InputError


@dataclass(frozen=True)
class Content:
    """What a cache folder shall hold."""

    names: tuple[str, ...]
    sizes: npt.NDArray[np.int32]
    """(N, 2): height and width of each image."""
    images: Iterable[tuple[ByteArray, ByteArray]]
    """N pairs of pixels (h, w, 3) and labels (h, w), in the order of `names`; read once."""


def cached(cache: Path, key: str, content: Callable[[], Content]) -> Images:
    """The images stored under `key`, memory-mapped and read-only; `content` is called only if they are not there.

    InputError if the folder cannot be written or is full; nothing half-made is left in that case.
    """
    folder = cache / "images" / key
    try:
        found = _open(folder)
        if found is not None:
            return found
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            found = _open(folder)
            if found is None:
                _build(folder, content())
                found = _open(folder)
    except OSError as error:
        raise unwritable(folder.parent, "decoded images", error, "give another --store") from error
    if found is None:
        raise InputError(f"{folder}: changed while it was written. Remove that folder and run again.")
    return found


def _open(folder: Path) -> Images | None:
    """The folder's images, or None if it is not there, of another version, or not whole."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        names, lengths = tuple(index["names"]), index["bytes"]
        if any((folder / name).stat().st_size != length for name, length in lengths.items()):
            return None
        # copy-on-write: nobody writes, but torch warns of arrays that cannot be written
        pixels, labels = (np.load(folder / f"{part}.npy", mmap_mode="c") for part in ("pixels", "labels"))
        return Images(pixels, labels, np.load(folder / "sizes.npy"), names)
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _build(folder: Path, content: Content) -> None:
    """Write the folder beside its place, flush it to the disk, then move it there."""
    aside = folder.with_suffix(".partial")
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed: the lock is ours now
    aside.mkdir()
    try:
        _check_space(aside, content.sizes)
        lengths = _write(aside, content)
        _write_file(aside / "index.json", json.dumps({"names": content.names, "bytes": lengths}).encode())
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write(folder: Path, content: Content) -> dict[str, int]:
    """Write the three arrays; return each file's length in bytes.

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
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


def _header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _write_file(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _check_space(folder: Path, sizes: npt.NDArray[np.int32]) -> None:
    """Say at once what would otherwise fail after minutes of decoding."""
    height, width = (int(k) for k in sizes.max(axis=0))
    needed, free = len(sizes) * height * width * 4, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
