"""Text of a throw-away folder of specs, and the type of the fixture that writes it."""

from __future__ import annotations

from typing import Protocol

from repro.spec.load import Suite

PAPER = """
id = "mine"
title = "A paper"
arxiv = "0000.00000"
year = 2020
authors = "Someone"
[protocol.train]
iterations = 1000
"""

TABLE = """
id = "mine/grid"
aliases = ["grid"]
title = "A grid"
source = { paper = "mine", table = "1" }
[protocol.train]
output_stride = 16
[[axes]]
key = "model.multi_grid"
values = [[1, 1, 1], [1, 2, 1]]
[[axes]]
key = "model.last_block"
values = [4, 5, 6]
labels = ["block4", "block5", "block6"]
[published]
miou = [[60.50, 61, "unknown"], [62.1, 63.25, 64.0]]
"""


class Write(Protocol):
    """Write a table (and files beside it) and load the suite with it."""

    def __call__(self, table: str = TABLE, **files: str) -> Suite: ...
