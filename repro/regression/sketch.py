"""Sketches: 31 numbers from which the distance between two tensors is estimated without keeping either.

Entries are added up, with random signs, in 31 sums (a count sketch: Charikar, Chen and Farach-Colton 2002). The sums
of a difference are the difference of the sums, and their squared length is an unbiased estimate of the squared norm:
where a difference is spread over all sums, the norm is right within 13 % (standard deviation 1 / sqrt(2 * 31)). Signs
come from raw words of PCG64, which NumPy keeps the same in all versions.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SUMS = 31
"""A prime: entries that lie a map's width or a number of channels apart fall into different sums."""
_OFFSETS = 8191
_SEED = 1706

_Floats = npt.NDArray[np.float64]
_signs: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)]


@dataclass(frozen=True)
class Sketch:
    """What is kept of a tensor, or of several together."""

    norm: float
    """Euclidean."""
    sums: tuple[float, ...]

    def distance(self, other: Sketch) -> float:
        """Estimated norm of the difference over the larger norm; 0 for two zeros, NaN where an entry is NaN."""
        apart = _length(a - b for a, b in zip(self.sums, other.sums, strict=True))
        # entries exchanged within a sum may cancel out; norms tell of those that changed
        apart = max(apart, abs(self.norm - other.norm))
        scale = max(self.norm, other.norm)
        return apart / scale if scale != 0 else apart

    def cosine(self, other: Sketch) -> float:
        """Estimated cosine of the angle between both; 1 for two zeros, 0 for one."""
        lengths = _length(self.sums) * _length(other.sums)
        if lengths == 0:
            return float(self.norm == other.norm)
        product = math.fsum(a * b for a, b in zip(self.sums, other.sums, strict=True))
        return max(-1.0, min(1.0, product / lengths))


@dataclass
class Sketcher:
    """Adds up the sketch of named arrays; a name decides the signs of its array."""

    _square: float = 0.0
    _sums: _Floats = field(default_factory=lambda: np.zeros(SUMS))

    def add(self, name: str, array: npt.NDArray[np.floating]) -> Sketcher:
        """Add an array of any shape and kind of numbers."""
        flat = np.asarray(array, dtype=np.float64).reshape(-1)
        self._square += float(flat @ flat)
        signed = flat * _signs_of(name, len(flat))
        whole = len(flat) // SUMS * SUMS
        self._sums += signed[:whole].reshape(-1, SUMS).sum(axis=0)
        self._sums[: len(flat) - whole] += signed[whole:]
        return self

    @property
    def sketch(self) -> Sketch:
        """Of all that was added."""
        return Sketch(math.sqrt(self._square), tuple(float(value) for value in self._sums))


def _length(values: Iterable[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in values))


def _signs_of(name: str, count: int) -> npt.NDArray[np.float32]:
    """`count` signs that depend on the name: one long list, read from different places."""
    first = zlib.crc32(name.encode()) % _OFFSETS
    if len(_signs[0]) < first + count:
        random_words = np.random.PCG64(_SEED).random_raw(-(-max(first + count, 2 * len(_signs[0])) // 64))
        bits = np.unpackbits(random_words.astype("<u8").view(np.uint8))
        _signs[0] = bits.astype(np.float32) * 2 - 1
    return _signs[0][first : first + count]
