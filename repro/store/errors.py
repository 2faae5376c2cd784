"""What the operating system refuses, reported to the user as one message with a path and a remedy."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.errors import InputError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_WRITE = (*_NO_SPACE, errno.EFBIG, errno.EROFS)
"""What only a write meets."""
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_A_FOLDER = (errno.ENOTDIR, errno.EEXIST)


def errno_of(error: BaseException) -> int | None:
    """Return the error number behind `error`, or None.

    Writers in Rust (safetensors) raise exceptions of their own whose text ends in ``(os error 28)``;
    a full disk must be distinguished from a bug there too.
    """
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match.group(1)) if match else None


def _behind(error: BaseException) -> Iterator[int]:
    """Yield the error numbers behind `error`, its own and those of what it was raised from.

    torch.save answers a failed write with a RuntimeError about file positions, raised while the OSError was handled.
    """
    seen: BaseException | None = error
    while seen is not None:
        if (number := errno_of(seen)) is not None:
            yield number
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def no_space(error: BaseException) -> bool:
    """Return whether a full disk is behind `error`, directly or through what it was raised from."""
    return any(number in _NO_SPACE for number in _behind(error))


def unwritable(error: BaseException, root: Path) -> bool:
    """Return whether a disk that takes no more is behind `error`: full, read-only, a file too large, no permission.

    It is no fault of what was computed, and the next thing to be written would meet it too.
    """
    if any(number in _NO_WRITE for number in _behind(error)):
        return True
    place = getattr(error, "filename", None)
    return errno_of(error) in _NO_PERMISSION and isinstance(place, str | Path) and Path(place).is_relative_to(root)


def refusal(path: Path, error: BaseException) -> InputError:
    """Return what to tell the user when writing or reading below `path` failed with `error`."""
    number = next(_behind(error), None)
    kept = "What was finished is kept; the same command then goes on from there."
    if no_space(error):
        return InputError(f"{path}: no space left. Free some, or choose another place with --store. {kept}")
    if number in _NO_PERMISSION:
        why = "the file system is read-only" if number == errno.EROFS else "permission denied"
        return InputError(f"{path}: {why}. Change its permissions, or choose another place with --store.")
    if number in _NOT_A_FOLDER:
        return InputError(f"{path}: not a directory. Choose another place with --store.")
    text = os.strerror(number) if number is not None else str(error)
    return InputError(f"{path}: {text}. Check the disk, or choose another place with --store.")


@contextmanager
def as_input_error(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses inside into an `InputError` about `path`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or errno_of(error) is not None or unwritable(error, path):
            raise refusal(path, error) from error
        raise
