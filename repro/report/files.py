"""Files of a report: each is whole or not there.

Apart from `write.py`, so that a command can try its folders before hours of work without loading what draws reports.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from repro.errors import InputError


def ready_folder(folder: Path, option: str = "--out") -> None:
    """Make a folder. Raises InputError where that can't be done, or where no file can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {folder}: {_reason(error)}. Choose a folder that can be written to.") from error


def write_file(path: Path, data: bytes, option: str = "--out") -> Path:
    """Write a file aside and move it into place: whoever reads it sees the old or the new one, whole.

    Raises InputError where the folder can't be written to.
    """
    aside = None
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for the owner only; a report is for whoever may read the folder.
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        if aside is not None and os.path.exists(aside):
            os.unlink(aside)
        raise InputError(f"{path}: {_reason(error)}. Choose another folder with {option}, or make room.") from error
    return path


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
