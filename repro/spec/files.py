"""The spec files of a folder, in the papers' order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from repro.errors import InputError
from repro.spec import bounds


def toml_files(folder: Path, place: str = "--tables") -> list[Path]:
    """Every .toml file below a folder, table10 after table9.

    Raises InputError for what is no folder, holds no such file, or so much that it can't be a folder of specs.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}; {place} takes a folder of table specs. Name one that is there.")
    paths: list[Path] = []
    seen = 0
    for home, folders, files in os.walk(folder, onerror=_unreadable):
        seen += len(folders) + len(files)
        paths += [Path(home, name) for name in files if name.endswith(".toml")]
        if seen > bounds.FOLDER_ENTRIES or len(paths) > bounds.SPEC_FILES:
            raise InputError(
                f"{folder}: more than {bounds.SPEC_FILES} specs or {bounds.FOLDER_ENTRIES:,} files; {place} takes a "
                "folder of table specs alone. Name a smaller one."
            )
    if not paths:
        raise InputError(f"{folder}: there is no .toml file in it; {place} takes a folder of table specs. Name one.")
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    size = sum(size for size in sizes if size <= bounds.SPEC_BYTES)  # larger ones are refused by name
    if size > bounds.FOLDER_BYTES:
        raise InputError(
            f"{folder}: {size:,} bytes of .toml files; {place} reads {bounds.FOLDER_BYTES:,} at most, and a table has "
            f"at most {bounds.CELLS:,} cells. Name a smaller folder."
        )
    return sorted(paths, key=lambda path: _order(path.relative_to(folder)))


def _order(path: Path) -> list[Any]:
    pieces = "".join(c if c.isascii() and c.isdigit() else f" {c} " for c in str(path)).split()
    return [(0, int(w[:20]), w) if w.isascii() and w.isdigit() else (1, 0, w) for w in pieces]


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror}). Make it readable, or name another folder.")
