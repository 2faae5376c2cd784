"""Committed files of a table at a scale, as JSON: where they are kept and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from repro.errors import InputError
from repro.spec.strict import StrictModel

Content = TypeVar("Content", bound=StrictModel)


def path_of(folder: Path, table: str, scale: str) -> Path:
    """Return where a table's file is kept."""
    return folder / scale / f"{table.replace('/', '-')}.json"


def read_file(kind: type[Content], path: Path, remedy: str, absent: str) -> Content:
    """Read a file. Raises InputError where there is none (`absent`), or it is not one; `remedy` says what to do."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: {absent}. {remedy}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise InputError(f"{path}: cannot be read ({reason}). {remedy}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {place + ': ' if place else ''}{first['msg']}. {remedy}") from None
