"""Where the suite's own specs are, and what tells one state of them from another, without reading any."""

from __future__ import annotations

import hashlib
from pathlib import Path

from repro.files import settled, stamp

PACKAGE = Path(__file__).parents[1]


def built_in() -> list[Path]:
    """The folders of the suite's own specs: beside the package in a checkout, inside it when installed."""
    root = PACKAGE / "_specs" if (PACKAGE / "_specs").is_dir() else PACKAGE.parent
    return [root / "tables", root / "figures"]


def references() -> Path:
    """The folder of scores that reference runs came out with: `repro.judge.reference`."""
    root = PACKAGE / "_specs"
    return root / "reference" if root.is_dir() else PACKAGE.parent / "reports" / "reference"


def state() -> str | None:
    """Hex digest over path, inode, size and times of each spec file and of the code that reads it; None while one is
    young."""
    code = [*(PACKAGE / "spec").glob("*.py"), *(PACKAGE / "commands").glob("list_.py")]
    lines = []
    for path in sorted([*code, *(path for folder in built_in() for path in folder.rglob("*.toml"))]):
        stat = path.stat()
        if not settled(stat):
            return None
        lines.append((str(path), *stamp(stat)))
    return hashlib.sha256(repr(lines).encode()).hexdigest()
