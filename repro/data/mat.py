"""Label maps in MATLAB files. SciPy reads them without running anything and is imported only here, when needed."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from repro.data.decode import unreadable
from repro.data.disk import opened
from repro.errors import InputError

MOST_BYTES = 1 << 28
"""More than any data set's label map or list of classes takes once it is unpacked."""
_COMPRESSED = 15
"""MATLAB's number (level 5 MAT-file format) for a part that zlib packed."""


def load_variable(path: Path, name: str, squeeze: bool = False) -> Any:
    """The variable `name` of a .mat file, as SciPy gives it; InputError if the file is damaged or has none."""
    from scipy.io import loadmat

    try:
        with opened(path) as file:
            _check_bounded(file, path)
            return loadmat(file, variable_names=[name], squeeze_me=squeeze)[name]
    except (FileNotFoundError, PermissionError) as error:
        raise unreadable(path, error) from error
    except KeyError:
        raise InputError(f"{path}: there is no {name!r} in it. This is not the data set's file.") from None
    except InputError:
        raise
    except Exception as error:  # SciPy's reader fails in as many ways as a file can be damaged
        raise unreadable(path, error) from error


def _check_bounded(file: IO[bytes], path: Path) -> None:
    """Refuse a file whose compressed parts unpack into more than `MOST_BYTES`; a damaged one is left to SciPy."""
    unpacked = 0
    file.seek(128)  # the header
    while len(tag := file.read(8)) == 8:
        kind, length = np.frombuffer(tag, dtype="<u4")
        if kind != _COMPRESSED:
            break  # such a part is as long as the file says
        decoder = zlib.decompressobj()
        data = file.read(int(length))
        while data and not decoder.eof:
            unpacked += len(decoder.decompress(data, 1 << 20))
            data = decoder.unconsumed_tail
            if unpacked > MOST_BYTES:
                raise InputError(
                    f"{path}: unpacks into more than {MOST_BYTES >> 20} MB, which no label map does. Download it again."
                )
    file.seek(0)


def read_mat(path: Path, last: int, variable: str, *fields: str) -> npt.NDArray[np.int64]:
    """The label map (H, W) int64, values 0 to `last`, in `variable.field...` of a .mat file.

    InputError if the file is damaged, has no such array, or has other values in it.
    """
    value = load_variable(path, variable)
    try:
        for field in fields:
            value = value[field][0, 0]
    except (ValueError, IndexError, TypeError) as error:
        raise unreadable(path, error) from error
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind not in "iu":
        raise InputError(f"{path}: {'.'.join((variable, *fields))} is not a label map. Download this file again.")
    if value.size and (value.min() < 0 or value.max() > last):
        wrong = value.min() if value.min() < 0 else value.max()
        raise InputError(f"{path}: label {wrong}; this data set has 0 to {last}. Download this file again.")
    return value.astype(np.int64)
