"""The arrays of a record: .npz files, which others' stores may have been made to hold anything in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import InputError

MOST_BYTES = 1 << 30
"""Four times what the largest record takes unpacked: a matrix of 81 classes for each of COCO's 5,000 images."""


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Return the arrays `names` of a record's file.

    No code of the file's is run, and nothing is unpacked that takes more than `MOST_BYTES`. Raises InputError for such
    a file, and for one that holds something else than a record does.
    """
    remedy = f"Remove {path.parent}; `repro run` computes it again."
    try:
        with np.load(path, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > MOST_BYTES:
                raise InputError(
                    f"{path}: unpacks into more than {MOST_BYTES >> 20} MB, which no record does. {remedy}"
                )
            return [np.asarray(archive[name]) for name in names]
    except InputError:
        raise
    except Exception as error:  # as many kinds as a file can be damaged or made up in
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: no arrays of a record ({reason}). {remedy}") from error
