"""A list of records that is fast to read: one line per record, appended when a listing meets many without one.

Opening 100,000 small files and parsing their JSON takes ten seconds and more than a gigabyte. The lines leave out
the loss curves, and what many records have in common is parsed and kept once: two to three seconds.

The index decides nothing. A line counts only while the record's file still has the size and the time of change that
the line names, and its own checksum; whatever has no such line is read from its own file. So it may be torn, stale or
deleted without harm. A few records are read from their own files each time: who looks at a small store leaves no trace.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.files import opened

Record = dict[str, Any]

_COMMON = ("code", "config", "environment")
"""Parts that many records have alike, each in a column of its own."""
_LINES_PER_APPEND = 1000
_WORTH_A_LIST = 300
"""Records without a line that are read in a tenth of a second."""


@dataclass(frozen=True)
class Index:
    """The list in the file at `path`.

    A line has columns between tabs: crc32 of what follows; key, time of change in ns and bytes of the record's
    file; the common parts; the rest of the record. The parts are JSON, which never contains a tab as such.
    """

    path: Path

    def records(self, folder: Path, read: Callable[[str], Record | None]) -> Iterator[Record]:
        """Yield a record, without its curve, for each directory in `folder`; `read` gets those without a line.

        Records that have parts in common share them: they are to be read, not changed.
        """
        try:
            # what a file manager leaves (.DS_Store, Thumbs.db) is no record
            kept = (entry for entry in os.scandir(folder) if not entry.is_file(follow_symlinks=False))
            left = {entry.name for entry in kept if not entry.name.startswith(".")}
        except FileNotFoundError:
            return
        live = stale = 0
        for key, record in self._lines(folder, left):
            if record is None:
                stale += 1
            else:
                live += 1
                left.discard(key)
                yield record
        if stale > _LINES_PER_APPEND + live and self._ours():
            # Mostly lines that no longer count (the store was copied, say): begin anew.
            with suppress(OSError):  # in a store that can't be written to, the list is only slower than it could be
                self.path.unlink()
        new: list[bytes] = []
        worth = len(left) >= _WORTH_A_LIST
        try:
            for key in sorted(left):
                stamp = _stamp(folder, key)
                record = read(key)
                if record is not None:
                    record = without_curve(record)
                    if stamp is not None and worth:
                        new.append(_line(stamp, record))
                    if len(new) == _LINES_PER_APPEND:
                        self._append(new)
                        new = []
                    yield record
        finally:
            self._append(new)

    def _lines(self, folder: Path, keys: set[str]) -> Iterator[tuple[str, Record | None]]:
        """Yield (key, record) for each line that still counts, (key, None) for each that does not."""
        try:
            file = opened(self.path)
        except OSError:
            return
        common: dict[bytes, Any] = {}
        with file:
            for line in file:
                crc, _, rest = line.partition(b"\t")
                if b"%08x" % zlib.crc32(rest) != crc:
                    continue  # the empty line before each append, or the torn end of one
                stamp, *parts, last = rest.split(b"\t")
                key = stamp.split(b" ", 1)[0].decode(errors="replace")
                if key not in keys or _stamp(folder, key) != stamp:
                    yield key, None
                    continue
                try:
                    yield key, _parsed(f"{folder}/{key}", parts, last, common)
                except (ValueError, KeyError, TypeError, AttributeError):  # whole, but of another making
                    yield key, None

    def _ours(self) -> bool:
        """Whether the list is a file of this store's, or not there yet: a link leads to somebody else's."""
        return not self.path.parent.is_symlink() and (
            not os.path.lexists(self.path) or (self.path.is_file() and not self.path.is_symlink())
        )

    def _append(self, lines: list[bytes]) -> None:
        if not lines or not self._ours():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError:
            return  # a store that can't be written to can still be listed, only more slowly
        try:
            # The first newline ends what a killed or failed append may have left without one.
            os.write(descriptor, b"\n" + b"".join(lines))
        except OSError:
            return  # no space: as above; the torn line does not match its checksum
        finally:
            os.close(descriptor)


def _parsed(folder: str, parts: list[bytes], last: bytes, common: dict[bytes, Any]) -> Record | None:
    """The record of a line; None where one of its files has another size."""
    record: Record = json.loads(last)
    for name, part in zip(_COMMON, parts, strict=True):
        if part and part not in common:
            common[part] = json.loads(part)
        if part:
            record[name] = common[part]
    whole = all(_has_size(f"{folder}/{name}", kept["bytes"]) for name, kept in record["files"].items())
    return record if whole else None


def without_curve(record: Record) -> Record:
    """Return `record` without its training curve, by far its longest part."""
    return {**record, "result": {name: value for name, value in record["result"].items() if name != "curve"}}


def _line(stamp: bytes, record: Record) -> bytes:
    rest = {name: value for name, value in record.items() if name not in _COMMON}
    parts = [_json(record[name]) if name in record else b"" for name in _COMMON]
    columns = [stamp, *parts, _json(rest)]
    text = b"\t".join(columns) + b"\n"
    return b"%08x\t" % zlib.crc32(text) + text


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _stamp(folder: Path, key: str) -> bytes | None:
    """Return what tells whether the record's file is still the same; None if there is none."""
    try:
        seen = os.stat(f"{folder}/{key}/record.json")
    except OSError:
        return None
    return f"{key} {seen.st_mtime_ns} {seen.st_size}".encode()


def _has_size(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False
