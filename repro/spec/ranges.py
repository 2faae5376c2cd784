"""What numbers, lists and names of the protocol may be: kinds of values, each with its range.

Far beyond what papers use, and far below what makes a machine give up.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

Pixels = Annotated[int, Field(ge=1, le=16_384)]
Size = tuple[Pixels, Pixels]
"""Height and width in pixels."""
Channels = Annotated[int, Field(ge=1, le=16_384)]
Units = Annotated[int, Field(ge=1, le=256)]
"""Of one block; the deepest ResNets in print have 200."""
Rate = Annotated[int, Field(ge=1, le=1024)]
"""Atrous."""
Kernel = Annotated[int, Field(ge=1, le=31)]
Batch = Annotated[int, Field(ge=1, le=65_536)]
Iterations = Annotated[int, Field(ge=1, le=10_000_000)]
Warmup = Annotated[int, Field(ge=0, le=10_000_000)]
Images = Annotated[int, Field(ge=1, le=100_000_000)]
LearningRate = Annotated[float, Field(gt=0, le=100)]
Multiplier = Annotated[float, Field(ge=0, le=1000)]
"""Of a learning rate; 0: what it multiplies does not learn."""
WeightDecay = Annotated[float, Field(ge=0, le=1)]
AverageDecay = Annotated[float, Field(ge=0, lt=1)]
"""Share of the old value in a moving average."""
Scales = Annotated[tuple[Annotated[float, Field(ge=0.0625, le=16)], ...], Field(min_length=1, max_length=32)]
"""Factors by which images are resized."""
Name = Annotated[str, Field(min_length=1, max_length=80)]

Weight = Annotated[float, Field(ge=0, le=1000)]
"""Of a kernel of the CRF."""
Sigma = Annotated[float, Field(ge=0.01, le=10_000)]


def _listed(value: Any) -> str:
    return "list" if isinstance(value, tuple | list) else "number"


Weights = Annotated[
    Annotated[Weight, Tag("number")] | Annotated[tuple[Weight, ...], Field(min_length=1, max_length=64), Tag("list")],
    Discriminator(_listed),
]
Sigmas = Annotated[
    Annotated[Sigma, Tag("number")] | Annotated[tuple[Sigma, ...], Field(min_length=1, max_length=64), Tag("list")],
    Discriminator(_listed),
]
