"""A file that is not there under the name that was given, but under another spelling."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

_SEPARATORS = re.compile(r"[\\/]+")


def similar_name(path: Path) -> str:
    """Name, in a sentence that begins with a space, the file that `path` probably means; empty if there is none.

    It differs in capitals, in the form of accents, in the suffix, in how folders are separated (`train\\a.png`), in a
    beginning that belongs to another machine (`C:\\data\\train\\a.png`), or in a name that a space cut short.
    """
    here, rest = _existing(path)
    if not rest:
        return ""
    written = _SEPARATORS.split("/".join(rest))
    for start in range(len(written) if len(written) > len(rest) or written[0].endswith(":") else 1):
        similar = _walk(here, [part for part in written[start:] if part])
        if similar is not None:
            return f" There is {similar}: {_difference(rest[-1], similar.name)}."
    return ""


def _existing(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The deepest part of a path that exists, and the names below it that do not."""
    parts = path.absolute().parts
    here = Path(parts[0])
    for k, part in enumerate(parts[1:], 1):
        if not os.path.lexists(here / part):
            return here, parts[k:]
        here /= part
    return here, ()


def _walk(here: Path, names: Sequence[str]) -> Path | None:
    """The file below `here` whose path differs from `names` in spelling only."""
    for k, name in enumerate(names):
        alike = _alike(here, name, last=k == len(names) - 1)
        if alike is None:
            return None
        here /= alike
    return here if names else None


def _alike(folder: Path, name: str, last: bool) -> str | None:
    """The entry of `folder` that `name` may mean: the same but for spelling; the last may have another suffix."""
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return None
    if name in entries:
        return name
    stem = _plain(Path(name).stem)
    same = [entry for entry in entries if _plain(entry) == _plain(name)]
    if last:
        same += [entry for entry in entries if _plain(Path(entry).stem) == stem]
        same += [entry for entry in entries if _plain(entry).startswith(f"{stem} ")]
    return same[0] if same else None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _difference(written: str, name: str) -> str:
    """What to do about it."""
    if "\\" in written:
        return "write folders with / and as seen from the data set's folder"
    if _plain(name).startswith(f"{_plain(Path(written).stem)} "):
        return "a list cannot name files with spaces; rename it"
    return "names count letter by letter, capitals and suffix too; rename one of them"
