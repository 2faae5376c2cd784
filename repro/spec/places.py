"""Where the suite's own specs are, and what tells one state of them from another, without reading any."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import repro

PACKAGE = Path(repro.__file__).parent
_SETTLED_SECONDS = 2.0
"""A file this young could change again within one tick of the file system's clock."""


def built_in() -> list[Path]:
    """The folders of the suite's own specs: beside the package in a checkout, inside it when installed."""
    root = PACKAGE / "_specs" if (PACKAGE / "_specs").is_dir() else PACKAGE.parent
    return [root / "tables", root / "figures"]


def state() -> str | None:
    """Hex digest over path, inode, size and times of each spec file and of the code that reads it; None while one is
    young."""
    code = [*(PACKAGE / "spec").glob("*.py"), *(PACKAGE / "commands").glob("list_.py")]
    found = []
    for path in sorted([*code, *(path for folder in built_in() for path in folder.rglob("*.toml"))]):
        stat = path.stat()
        if time.time() - max(stat.st_mtime, stat.st_ctime) < _SETTLED_SECONDS:
            return None
        found.append((str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return hashlib.sha256(repr(found).encode()).hexdigest()
