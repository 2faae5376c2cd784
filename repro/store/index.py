"""A list of records that is fast to read: one line per record, appended when a listing first meets it.

Opening 100,000 small files and parsing their JSON takes ten seconds, most of it for the loss curves; reading
one file with a line each takes three. The index decides nothing: a line counts only while the record's file
still has the size and the time of change that the line names, and its own checksum; whatever has no such line is
read from its own file. So it may be torn, stale or deleted without harm.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Index:
    """The list in the file at `path`; each line: crc32, key, time of change (ns), bytes, then the record."""

    path: Path

    def records(self, folder: Path, read: Callable[[str], Record | None]) -> Iterator[Record]:
        """Yield a record, without its curve, for each directory in `folder`; `read` gets those without a line."""
        try:
            left = {entry.name for entry in os.scandir(folder)}
        except FileNotFoundError:
            return
        stale = 0
        for key, record in self._lines(folder, left):
            if record is None:
                stale += 1
            else:
                left.discard(key)
                yield record
        if stale > 1000 + len(left):
            # Mostly lines that no longer count (the store was copied, say): begin anew.
            self.path.unlink(missing_ok=True)
        new: list[bytes] = []
        try:
            for key in sorted(left):
                stamp = _stamp(folder / key)
                record = read(key)
                if record is not None:
                    record = without_curve(record)
                    if stamp is not None:
                        new.append(_line(key, stamp, record))
                    yield record
        finally:
            self._append(new)

    def _lines(self, folder: Path, keys: set[str]) -> Iterator[tuple[str, Record | None]]:
        """Yield (key, record) for each line that still counts, (key, None) for each that does not."""
        try:
            file = self.path.open("rb")
        except (FileNotFoundError, PermissionError):
            return
        with file:
            for line in file:
                try:
                    crc, key, changed, size, text = line.split(b" ", 4)
                    name, stamp = key.decode(), (int(changed), int(size))
                    whole = int(crc, 16) == zlib.crc32(line[len(crc) :])
                except ValueError:
                    continue  # the empty line before each append, or the torn end of one
                if not whole or name not in keys or _stamp(folder / name) != stamp:
                    yield name, None
                    continue
                record: Record = json.loads(text)
                if all(_has_size(folder / name / f, wanted["bytes"]) for f, wanted in record["files"].items()):
                    yield name, record
                else:
                    yield name, None

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError:
            return  # a store that can't be written to can still be listed, only more slowly
        try:
            # The first newline ends what a killed or failed append may have left without one.
            os.write(descriptor, b"\n" + b"".join(lines))
        except OSError:
            return  # no space: as above; the torn line does not match its checksum
        finally:
            os.close(descriptor)


def without_curve(record: Record) -> Record:
    """Return `record` without its training curve, by far its longest part."""
    return {**record, "result": {name: value for name, value in record["result"].items() if name != "curve"}}


def _line(key: str, stamp: tuple[int, int], record: Record) -> bytes:
    rest = f" {key} {stamp[0]} {stamp[1]} {json.dumps(record, separators=(',', ':'))}\n".encode()
    return b"%08x" % zlib.crc32(rest) + rest


def _stamp(folder: Path) -> tuple[int, int] | None:
    """Return the record file's time of change in ns and its size in bytes; None if there is none."""
    try:
        seen = os.stat(f"{folder}/record.json")
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


def _has_size(path: Path, size: int) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False
