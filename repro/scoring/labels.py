"""What the numbers of a label map mean, as options of `repro score` name it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repro.data.cityscapes import TRAIN_IDS
from repro.data.disk import opened
from repro.data.images import VOID, ByteArray
from repro.errors import InputError

MAPS: Mapping[str, Mapping[int, int]] = {"cityscapes": {number: k for k, number in enumerate(TRAIN_IDS)}}
"""Cityscapes' 34 label ids -> the 19 classes that are scored; the rest is void."""


def read_map(name: str) -> Mapping[int, int]:
    """Return a map of numbers: a built-in one by name, or `number = class` lines of a TOML file."""
    if name in MAPS:
        return MAPS[name]
    path = Path(name)
    try:
        with opened(path) as file:
            lines = tomllib.loads(file.read().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"--map {name}: no such file, and no built-in map. Name a TOML file, or {', '.join(MAPS)}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--map {name}: not a TOML file ({error}). Write lines such as `7 = 0`.") from None
    try:
        mapping = {int(number): int(label) for number, label in lines.items()}
    except (TypeError, ValueError):
        raise InputError(
            f"--map {name}: every line must be `number = class`, whole numbers, such as `7 = 0`."
        ) from None
    return mapping


def largest_label(labels: ByteArray) -> int:
    """Return the largest class in a label map, -1 where all of it is void."""
    return int(np.where(labels == VOID, -1, labels.astype(np.int16)).max(initial=-1))
