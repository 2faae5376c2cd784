"""Getting bytes onto the disk for good, and knowing them again."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until the file or directory at `path` is on the disk, so that a power cut can't take it back."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no way to do this for a directory; they order renames by themselves.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes) -> None:
    """Write `data` to a new file at `path` and wait until it is on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def describe(path: Path) -> dict[str, str | int]:
    """Return a file's checksum and size as a record keeps them: ``{"sha256": hex, "bytes": n}``."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": os.fstat(file.fileno()).st_size}
