"""What to say when a folder cannot be written."""

from __future__ import annotations

import errno
from pathlib import Path

from repro.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(folder: Path, what: str, error: OSError, remedy: str) -> InputError:
    """The message for `what` (a plural) that cannot be written to `folder`."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return InputError(f"{folder}: no space left for {what} ({reason}). Free some, or {remedy}.")
    return InputError(f"{folder}: {what} cannot be kept here ({reason}). {remedy[0].upper()}{remedy[1:]}.")
