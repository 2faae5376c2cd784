"""A throw-away folder of specs beside the built-in ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from spec_files import PAPER, TABLE, Write

from repro.spec.load import Suite, load_suite


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "specs"
    folder.mkdir()

    def run(table: str = TABLE, **files: str) -> Suite:
        for name, text in {"paper": PAPER, "grid": table, **files}.items():
            (folder / f"{name}.toml").write_text(text)
        return load_suite([folder])

    return run
