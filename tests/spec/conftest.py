"""A throw-away folder of specs beside the built-in ones."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from repro.spec.load import Suite, load_suite

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


@pytest.fixture(scope="session")
def suite() -> Suite:
    return load_suite()


@pytest.fixture()
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "specs"
    folder.mkdir()

    def run(table: str = TABLE, **files: str) -> Suite:
        for name, text in {"paper": PAPER, "grid": table, **files}.items():
            (folder / f"{name}.toml").write_text(text)
        return load_suite([folder])

    return run
