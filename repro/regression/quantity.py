"""What is kept of a computation, and how far two such things are apart."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass

import numpy as np

from repro.regression.sketch import SUMS, Sketch


@dataclass(frozen=True)
class Exact:
    """A digest, or settings in words: the same, or not."""

    text: str

    def distance(self, other: Quantity) -> float:
        """0, or infinity."""
        return 0.0 if self == other else math.inf


@dataclass(frozen=True)
class Near:
    """A tensor's sketch: the same but for rounding."""

    sketch: Sketch

    def distance(self, other: Quantity) -> float:
        """Norm of the difference over the norm, about; NaN where an entry is NaN."""
        return self.sketch.distance(other.sketch) if isinstance(other, Near) else math.nan


@dataclass(frozen=True)
class CountsQuantity:
    """A confusion matrix: the same but for pixels where two classes are about as likely."""

    matrix: tuple[tuple[int, ...], ...]
    """[truth][prediction]."""

    def distance(self, other: Quantity) -> float:
        """The least number of pixels that are counted elsewhere."""
        if not isinstance(other, CountsQuantity) or len(self.matrix) != len(other.matrix):
            return math.nan
        apart = np.abs(np.array(self.matrix) - np.array(other.matrix)).sum()
        return float(-(-int(apart) // 2))

    @property
    def pixels(self) -> int:
        """How many are counted."""
        return int(np.sum(self.matrix))


@dataclass(frozen=True)
class ScoreQuantity:
    """A number in [0, 1] that follows from a confusion matrix."""

    value: float

    def distance(self, other: Quantity) -> float:
        """The difference."""
        return abs(self.value - other.value) if isinstance(other, ScoreQuantity) else math.nan


Quantity = Exact | Near | CountsQuantity | ScoreQuantity
Observation = dict[str, Quantity]
"""Name -> what was seen, in the order of computing."""


def encode(quantity: Quantity) -> str:
    """One line: its kind in a sign, then its content; a sketch's sums as float32 in base64."""
    if isinstance(quantity, Exact):
        return f"= {quantity.text}"
    if isinstance(quantity, ScoreQuantity):
        return f"% {quantity.value!r}"
    if isinstance(quantity, CountsQuantity):
        return "# " + "; ".join(" ".join(map(str, row)) for row in quantity.matrix)
    sums = base64.b64encode(np.array(quantity.sketch.sums, dtype="<f4").tobytes()).decode()
    return f"~ {quantity.sketch.norm:.9g} {sums}"


def decode(line: str) -> Quantity:
    """What `encode` made a line of. Raises ValueError for anything else."""
    sign, content = line[:2], line[2:]
    if sign == "= ":
        return Exact(content)
    if sign == "% ":
        return ScoreQuantity(float(content))
    if sign == "# ":
        return CountsQuantity(tuple(tuple(int(value) for value in row.split()) for row in content.split(";")))
    norm, _, sums = content.partition(" ")
    try:
        values = np.frombuffer(base64.b64decode(sums, validate=True), dtype="<f4")
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if sign != "~ " or len(values) != SUMS:
        raise ValueError(f"{line[:20]!r}: no quantity")
    return Near(Sketch(float(norm), tuple(float(value) for value in values)))
