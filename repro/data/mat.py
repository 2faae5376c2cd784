"""Label maps in MATLAB files. SciPy reads them without running anything and is imported only here, when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from repro.data.images import unreadable
from repro.errors import InputError


def load_variable(path: Path, name: str, squeeze: bool = False) -> Any:
    """The variable `name` of a .mat file, as SciPy gives it; InputError if the file is damaged or has none."""
    from scipy.io import loadmat

    try:
        with open(path, "rb") as file:
            return loadmat(file, variable_names=[name], squeeze_me=squeeze)[name]
    except (FileNotFoundError, PermissionError) as error:
        raise unreadable(path, error) from error
    except KeyError:
        raise InputError(f"{path}: there is no {name!r} in it. This is not the data set's file.") from None
    except Exception as error:  # SciPy's reader fails in as many ways as a file can be damaged
        raise unreadable(path, error) from error


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
