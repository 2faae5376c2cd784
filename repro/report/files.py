"""Files of a report: what they are called, and that each is whole or not there.

Apart from `write.py`, so that a command can try its folders before hours of work without loading what draws reports.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from repro import files
from repro.errors import InputError

UNNAMED = "tiny"
"""The scale that is not part of a report's name, whatever a machine's own default is: names hold on all machines."""
LONGEST = 60
"""Letters of a name that say which cells and settings; beyond, its digits tell reports apart."""


def report_name(
    table: str, scale: str, dataset: str | None = None, only: Sequence[str] = (), overrides: Sequence[str] = ()
) -> str:
    """The name of a report's files, without suffix: v3-table3, v3-table3-smoke, v3-table3-camvid-last_block-4-1f3a9c.

    Table, scale, data set, then the cells asked for and the settings changed, with six digits of both. The order in
    which these were given does not matter, and of two values of one setting the last counts. Reports that differ in any
    of this have names of their own; those that differ in seeds alone have one.
    """
    parts = [table.replace("/", "-")]
    parts += [scale] if scale != UNNAMED else []
    parts += [Path(dataset).stem] if dataset else []
    changed = {text.partition("=")[0].strip(): text.strip() for text in overrides}
    choices = [*sorted({text.strip() for text in only}), *(changed[key] for key in sorted(changed))]
    name = _plain("-".join(choices))[:LONGEST].rstrip("-.")
    own = [_plain(part) for part in parts]
    if choices or own != parts or (dataset and dataset != Path(dataset).stem):
        distinguishing = repr((table, scale, dataset, choices))
        own += [name] if name else []
        own.append(hashlib.sha256(distinguishing.encode("utf-8", "surrogatepass")).hexdigest()[:6])
    return "-".join(own)


def _plain(text: str) -> str:
    """Only letters, digits, dots and underscores, which every file system and address takes as they are."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")


def ready_folder(folder: Path, option: str = "--out") -> None:
    """Make a folder. Raises InputError where that can't be done, or where no file can be made in it."""
    made: list[Path] = []
    try:
        made = _absent(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        _remove(made)
        raise InputError(f"{option} {folder}: {_reason(error)}. Choose a folder that can be written to.") from error


def try_folder(folder: Path, option: str = "--out") -> None:
    """The same, but no folder is left behind: before work that may still be refused."""
    try:
        made = _absent(folder)
    except OSError:
        made = []  # it cannot be looked at, which the next line says
    ready_folder(folder, option)
    _remove(made)


def _absent(folder: Path) -> list[Path]:
    return [part for part in (folder, *folder.parents) if not part.exists()]


def _remove(made: list[Path]) -> None:
    for folder in made:
        with suppress(OSError):  # somebody else is in it
            folder.rmdir()


def write_file(path: Path, data: bytes, option: str = "--out") -> Path:
    """Write a file aside and move it into place: whoever reads it sees the old or the new one, whole.

    Raises InputError where the folder can't be written to.
    """
    try:
        files.write(path, data)
    except OSError as error:
        raise InputError(f"{path}: {_reason(error)}. Choose another folder with {option}, or make room.") from error
    return path


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
