"""The bytes of a record: JSON whose first line is the checksum of all that follows it.

A record is read by people and by other programs, so it is plain JSON; it is also the only copy of
hours of work, so a flipped bit in it must not pass for a result. Hence the first line,
``{"sha256": "<64 hex>",``: the checksum of every byte after that line. It costs 3 microseconds to
check, a thousandth of what reading the file costs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["training", "evaluation", "failure"]

SCHEMA = 1
REQUIRED: dict[Kind, tuple[str, ...]] = {
    "training": ("task", "config", "seed", "parent", "data_fingerprint", "code", "result", "files"),
    "evaluation": ("training", "config", "data_fingerprint", "code", "result", "files"),
    "failure": ("of", "reason", "traceback", "started", "environment"),
}
_FIRST_LINE = b'{"sha256": "%s",\n'
_FIRST_LINE_LENGTH = len(_FIRST_LINE % (b"0" * 64))


class Damaged(Exception):
    """The bytes are not what was written; the text says how that was seen."""


class OtherSchema(Exception):
    """The record is whole, and written by a version of the suite that this one can't read."""


def encode(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of `record`; ValueError for NaN and infinity, which JSON has no word for."""
    body = json.dumps(record, indent=1, allow_nan=False).encode().removeprefix(b"{\n")
    return _FIRST_LINE % hashlib.sha256(body).hexdigest().encode() + body


def decode(data: bytes) -> dict[str, Any]:
    """Return the record in `data`; `Damaged` unless every byte is the one that was written."""
    first, body = data[:_FIRST_LINE_LENGTH], data[_FIRST_LINE_LENGTH:]
    if first != _FIRST_LINE % hashlib.sha256(body).hexdigest().encode():
        raise Damaged("record.json does not match its checksum")
    record: dict[str, Any] = json.loads(data)
    del record["sha256"]
    return record


def check(record: Mapping[str, Any], kind: Kind, key: str) -> None:
    """Raise unless `record` is one of `kind` with `key`: `OtherSchema`, or `Damaged` with what is wrong."""
    if record.get("schema") != SCHEMA:
        raise OtherSchema(f"schema: {record.get('schema')!r} is not {SCHEMA}")
    if record.get("kind") != kind or record.get("key") != key:
        raise Damaged(f"the record is of {record.get('kind')} {record.get('key')}, its place of {kind} {key}")
    missing = [name for name in REQUIRED[kind] if name not in record]
    if missing:
        raise Damaged(f"the record lacks {', '.join(missing)}")
