"""Files of a data set: opening them, and what to say when a folder cannot be written."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from repro.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def opened(path: Path) -> BufferedReader:
    """Open a file to read it; InputError for a folder, and for a pipe or a device, whose reader might wait for ever.

    Raises OSError as `open` does.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise InputError(f"{path}: {_KINDS.get(kind, 'something else')}, where a file is expected. Give a file.")
    return open(descriptor, "rb")


def unwritable(folder: Path, what: str, error: OSError, remedy: str) -> InputError:
    """The message for `what` (a plural) that cannot be written to `folder`."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return InputError(f"{folder}: no space left for {what} ({reason}). Free some, or {remedy}.")
    return InputError(f"{folder}: {what} cannot be kept here ({reason}). {remedy[0].upper()}{remedy[1:]}.")
