"""Files that are whole or absent, and recognised later: how everything that this package keeps gets onto the disk.

Written aside and moved into place in one step, so a reader sees the old or the new, whole, whenever the writer is
killed. What is being written is locked (flock) and called `.NAME.<8 hex digits>.part`; a part that nobody holds was
left by a killed process, and whoever writes that file next removes it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

SETTLED_SECONDS = 2.0
"""A file this young could change again within one tick of the file system's clock: it is read each time."""
_UNREADABLE = frozenset(
    {
        *(errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EIO),
        *(errno.ENOENT, errno.ENXIO, errno.EINVAL),
    }
)
_FIRST_LINE = b'{"sha256": "%s",\n'
_FIRST_LINE_LENGTH = len(_FIRST_LINE % (b"0" * 64))


class Damaged(Exception):
    """The bytes are not what was written; the text says how that was seen."""


# -- writing


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write `data` aside and move it to `path`; `durable`: wait until it is on the disk, so that no power cut takes it.

    OSError leaves nothing behind. A link at `path` is replaced; what it leads to stays as it is.
    """
    sweep(path)
    while True:
        temporary = _beside(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            _hold(descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            if durable:
                _sync(descriptor)
            with suppress(FileNotFoundError):  # taken for a part that was left, before it was held: once more
                os.replace(temporary, path)
                return
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(descriptor)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, to be filled and renamed; gone at the end where it was not."""
    sweep(path)
    temporary = _beside(path)
    descriptor = _held_folder(temporary)
    try:
        yield temporary
    finally:
        remove(temporary)
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sweep(path: Path) -> None:
    """Remove what killed processes left of `path`, half-written."""
    for name in glob.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}.part", root_dir=path.parent):
        remove_if_left(path.parent / name)


def remove_if_left(part: Path) -> None:
    """Remove what was being written aside, a file or a folder, unless somebody holds it."""
    with suppress(OSError):
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(part)
        finally:
            os.close(descriptor)


def folder(path: Path) -> None:
    """Make a folder, in place of whatever else is there: a file, or a link, which nothing is written through."""
    if path.is_symlink() or not path.is_dir():
        remove(path)
    path.mkdir(parents=True, exist_ok=True)


def remove(path: Path) -> None:
    """Remove whatever is at `path`, if it can be: a file, a folder with all in it, or a link but not its target."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            import shutil  # which loads three decompressors

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")


def _held_folder(path: Path) -> int:
    """Make a folder and hold it; the descriptor that does so."""
    while True:
        path.mkdir(parents=True)
        with suppress(FileNotFoundError):  # likewise
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            _hold(descriptor)
            if path.exists():
                return descriptor
            os.close(descriptor)


def _hold(descriptor: int) -> None:
    """Show that this process is at work on it. Where there are no such locks, parts that are left stay."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no way to do this for a directory; they order renames by themselves.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise


# -- reading


def opened(path: Path) -> BufferedReader:
    """A file to read; OSError also for what is not one, such as a pipe, which would keep its reader waiting."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _check_kind(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def read(path: Path) -> bytes:
    """The content of a file; OSError as from `opened`."""
    with opened(path) as file:
        return file.read()


def regular(path: Path) -> os.stat_result:
    """The state of a file; OSError as from `opened`, though its content is not read."""
    seen = os.stat(path)
    _check_kind(seen)
    return seen


def digest(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits; remembered in this process while the file stays as it is.

    OSError as from `opened`.
    """
    seen = regular(path)
    if settled(seen):
        return _remembered(path, stamp(seen))
    return _sha256(path)


@lru_cache(maxsize=100_000)
def _remembered(path: Path, _stamp: tuple[int, ...]) -> str:
    return _sha256(path)


def _sha256(path: Path) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Stamp = tuple[int, ...]


def stamp(seen: os.stat_result) -> Stamp:
    """What changes when a file does: inode, bytes, times of modification and of change in ns.

    Programs that copy or restore files set the time of modification back; nobody sets the time of change.
    """
    return seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def settled(seen: os.stat_result) -> bool:
    """Whether a file is old enough for its stamp to tell it from what it becomes when it changes again."""
    return time.time() - max(seen.st_mtime, seen.st_ctime) > SETTLED_SECONDS


def describe(path: Path) -> dict[str, str | int]:
    """A file's checksum and size as records keep them: ``{"sha256": hex, "bytes": n}``. OSError as from `opened`."""
    return {"sha256": digest(path), "bytes": regular(path).st_size}


def unreadable(error: OSError) -> bool:
    """Whether what is at a path is damage (a folder, a link into nothing, forbidden), not a want of memory, say."""
    return error.errno in _UNREADABLE


def _check_kind(seen: os.stat_result) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(seen.st_mode) else errno.EINVAL, "not a file")


# -- JSON that carries its own checksum


def seal(value: Mapping[str, Any], indent: int | None = None, default: Callable[[Any], Any] | None = None) -> bytes:
    """`value`, not empty, as JSON whose first line is the checksum of all that follows it.

    Such a file is plain JSON to people and to other programs, and a flipped bit in it does not pass for a result.
    ValueError for NaN and infinity, which JSON has no word for.
    """
    body = json.dumps(value, indent=indent, allow_nan=False, default=default).encode().lstrip(b"{\n")
    return _FIRST_LINE % hashlib.sha256(body).hexdigest().encode() + body


def unseal(data: bytes, hook: Callable[[dict[str, Any]], Any] | None = None) -> dict[str, Any]:
    """What was sealed; `Damaged`, in words to follow the file's name, unless every byte is the one that was written."""
    first, body = data[:_FIRST_LINE_LENGTH], data[_FIRST_LINE_LENGTH:]
    if first != _FIRST_LINE % hashlib.sha256(body).hexdigest().encode():
        raise Damaged("does not match its checksum")
    try:
        value: dict[str, Any] = json.loads(data, object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"is not JSON ({error})") from None
    del value["sha256"]
    return value
