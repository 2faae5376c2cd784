"""What the operating system refuses, told to the user as one message with a path and a remedy."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repro.errors import InputError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_A_FOLDER = (errno.ENOTDIR, errno.EEXIST)


def errno_of(error: BaseException) -> int | None:
    """Return the error number behind `error`, or None.

    Writers in Rust (safetensors) raise exceptions of their own whose text ends in ``(os error 28)``;
    a full disk must be told from a bug there too.
    """
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found.group(1)) if found else None


def no_space(error: BaseException) -> bool:
    """Return whether a full disk is behind `error`, directly or through what it was raised from.

    torch.save answers a failed write with a RuntimeError about file positions, raised while the OSError was handled.
    """
    seen: BaseException | None = error
    while seen is not None:
        if errno_of(seen) in _NO_SPACE:
            return True
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return False


def refusal(path: Path, error: BaseException) -> InputError:
    """Return what to tell the user when writing or reading below `path` failed with `error`."""
    number = errno_of(error)
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
def told_as_input_error(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses inside into an `InputError` about `path`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or errno_of(error) is not None or no_space(error):
            raise refusal(path, error) from error
        raise
