"""The bytes of a record: JSON whose first line is the checksum of all that follows it.

A record is read by people and by other programs, so it is plain JSON; it is also the only copy of
hours of work, so a flipped bit in it must not pass for a result. Hence the first line,
``{"sha256": "<64 hex>",``: the checksum of every byte after that line. It costs 3 microseconds to
check, a thousandth of what reading the file costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal

from repro.files import Damaged, seal, unseal
from repro.spec.metric import MIOU

RecordKind = Literal["training", "evaluation", "failure"]

SCHEMA = 1
REQUIRED: dict[RecordKind, tuple[str, ...]] = {
    "training": ("task", "config", "seed", "parent", "data_fingerprint", "code", "result", "files"),
    "evaluation": ("training", "config", "data_fingerprint", "code", "result", "files"),
    "failure": ("of", "reason", "traceback", "started", "environment"),
}


class OtherSchema(Exception):
    """The record is whole, and written by a version of the suite that this one can't read."""


def encode(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of `record`; ValueError for NaN and infinity, which JSON has no word for."""
    return seal(record, indent=1)


def decode(data: bytes) -> dict[str, Any]:
    """Return the record in `data`; `Damaged` unless every byte is the one that was written."""
    try:
        return unseal(data)
    except Damaged as error:
        raise Damaged(f"record.json {error}") from None


def check(record: Mapping[str, Any], kind: RecordKind, key: str) -> None:
    """Raise unless `record` is one of `kind` with `key`: `OtherSchema`, or `Damaged` with what is wrong."""
    if record.get("schema") != SCHEMA:
        raise OtherSchema(f"schema: {record.get('schema')!r} is not {SCHEMA}")
    if record.get("kind") != kind or record.get("key") != key:
        raise Damaged(f"the record is of {record.get('kind')} {record.get('key')}, its place of {kind} {key}")
    missing = [name for name in REQUIRED[kind] if name not in record]
    if missing:
        raise Damaged(f"the record lacks {', '.join(missing)}")
    if kind != "failure" and not _files(record["files"]):
        raise Damaged("the record does not name its files as records do")


def recorded(record: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the metrics that an evaluation's record holds, by name."""
    result = record["result"]
    if "metrics" in result:
        return {name: float(value) for name, value in result["metrics"].items()}
    return {MIOU.name: float(result[MIOU.name])}  # records made before there was another


def _files(files: Any) -> bool:
    """Whether these are plain names, each with a checksum and a size: no other place is looked at for a record."""
    return isinstance(files, dict) and all(
        PurePath(name).name == name not in ("", "..")
        and isinstance(kept, dict)
        and isinstance(kept.get("sha256"), str)
        and isinstance(kept.get("bytes"), int)
        for name, kept in files.items()
    )
