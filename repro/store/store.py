"""The store: a directory of records, each in a directory of its own under its key.

    <root>/trainings/<key>/record.json, weights.safetensors
           evaluations/<key>/record.json, confusion.npz, pictures.npz
           failures/<key>-<n>.json           what went wrong, the n-th time
           checkpoints/<key>/                of a running training; gone once its record is written
           locks/<key>.lock                  held by whoever works on that key
           incoming/                         records being written; renamed into place when whole
           damaged/                          what did not match its checksum, or was no record
           index/                            makes listing fast; may be deleted at any time

A record never changes: it is written aside, brought onto the disk, and renamed into place in one
step, so a reader sees all of it or nothing, whenever the writer is killed.

A store may be somebody else's. What is read is checked, and links are followed to read only: nothing is written through
one, so that looking at a store, or working on it, changes nothing outside of it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import BaseFileLock, FileLock, Timeout

from repro.errors import InputError
from repro.files import (
    Damaged,
    describe,
    read,
    regular,
    remove,
    remove_if_left,
    sync,
    temporary_folder,
    unreadable,
    write,
)
from repro.files import folder as make_folder
from repro.store.errors import as_input_error, refusal
from repro.store.index import Index
from repro.store.index import Record as Record
from repro.store.record import SCHEMA, OtherSchema, check, decode, encode

Stored = Literal["training", "evaluation"]

FOLDERS: dict[Stored, str] = {"training": "trainings", "evaluation": "evaluations"}
_LEFTOVER_SECONDS = 24 * 3600.0
"""Nothing takes a day to be written: what is older in incoming/ belongs to a process that was killed."""


def warn_user(message: str) -> None:
    """Write a warning to stderr."""
    print(message, file=sys.stderr)


@dataclass(frozen=True)
class Store:
    """Records under `root`; `warn` gets one line for each damaged record. Can be sent to other processes."""

    root: Path
    warn: Callable[[str], None] = warn_user

    # -- places

    def folder(self, kind: Stored, key: str) -> Path:
        """Return where the record and its files are, or would be."""
        return self.root / FOLDERS[kind] / key

    def file(self, kind: Stored, key: str, name: str) -> Path:
        """Return the path of one of a record's files, e.g. ``weights.safetensors``."""
        return self.folder(kind, key) / name

    @property
    def cache(self) -> Path:
        """Where prepared data sets are kept; nowhere if it is a link."""
        folder = self.root / "cache"
        return Path(os.devnull) if folder.is_symlink() else folder

    def checkpoint_dir(self, key: str) -> Path:
        """Return the (created) directory for the checkpoints of a running training."""
        folder = self.root / "checkpoints" / key
        with as_input_error(folder):
            self._own("checkpoints")
            make_folder(folder)
        return folder

    def _own(self, name: str) -> Path:
        """Return one of the store's folders, made where it lacks. `InputError` for a link, which is not written to."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink():
            raise InputError(
                f"{folder}: a link, and nothing is written through one. Put the directory itself there, or choose "
                "another place with --store; --store may be a link."
            )
        return folder

    def prepare(self) -> None:
        """Make the store ready to be written to: `InputError` now rather than after the first training.

        Also clears away what killed runs left: half-written records, checkpoints of finished trainings.
        """
        with as_input_error(self.root):
            for name in (*FOLDERS.values(), "failures", "checkpoints", "locks", "incoming", "cache"):
                self._own(name)
            with self.temporary_folder("probe"):
                pass
            for path in (self.root / "incoming").iterdir():
                remove_if_left(path)
                with suppress(OSError):  # another run may remove it too
                    if time.time() - path.lstat().st_mtime > _LEFTOVER_SECONDS:
                        remove(path)
            for path in (self.root / "checkpoints").iterdir():
                if (self.folder("training", path.name) / "record.json").exists():
                    remove(path)

    def damaged(self, kind: Stored) -> set[str]:
        """Return the keys of records that were set aside, redone since or not."""
        names = (path.name for path in (self.root / "damaged").glob(f"{kind}-*-*"))
        return {name.removeprefix(f"{kind}-").rpartition("-")[0] for name in names}

    # -- reading

    def get(self, kind: Stored, key: str) -> Record | None:
        """Return the record under `key`, every byte of it and of its files checked; None if there is none.

        A damaged record is moved to ``damaged/`` with a warning and counts as absent.
        """
        return self._read(kind, key, describe)

    def peek(self, kind: Stored, key: str) -> Record | None:
        """Return the record under `key` as `get` does, its files checked by size only (they may be large)."""
        return self._read(kind, key, _size)

    def records(self, kind: Stored) -> Iterator[Record]:
        """Yield every record of `kind` in no particular order, without its ``result.curve``.

        Files are checked by size, never opened; 100,000 records take a few seconds. `get` has the curve.
        """
        folder = self.root / FOLDERS[kind]
        with as_input_error(folder):
            yield from Index(self.root / "index" / f"{FOLDERS[kind]}-1.txt").records(
                folder, lambda key: self.peek(kind, key)
            )

    def _read(self, kind: Stored, key: str, read_files: Callable[[Path], Mapping[str, Any]]) -> Record | None:
        folder = self.folder(kind, key)
        with as_input_error(folder):
            try:
                return _load(folder, kind, key, read_files)
            except Damaged as damage:
                return self._set_aside(kind, key, read_files, str(damage))

    def _set_aside(
        self, kind: Stored, key: str, read_files: Callable[[Path], Mapping[str, Any]], why: str
    ) -> Record | None:
        """Move a damaged record away; None, or the whole record that another process has put there meanwhile."""
        folder = self.folder(kind, key)
        try:
            self._own(FOLDERS[kind])  # what lies behind a link is not ours to move
            self._own("damaged")
            with self.lock("damaged"):
                try:
                    # Between our look and this lock another process may have set it aside and redone it.
                    return _load(folder, kind, key, read_files)
                except Damaged:
                    target = self.root / "damaged" / f"{kind}-{key}-{secrets.token_hex(4)}"
                    _move(folder, target)
                    self.warn(f"{folder}: {why}. Moved to {target}; the next run computes it again.")
        except (OSError, InputError):
            self.warn(f"{folder}: {why}. Ignored; it could not be moved away.")
        return None

    # -- writing

    def put(
        self, kind: Stored, key: str, record: Mapping[str, Any], files: Mapping[str, Path | Callable[[Path], None]]
    ) -> Record:
        """Store `record` with its files under `key`, all or nothing, and return what is stored there.

        A file is given as a path to copy or as a function that writes to the path it is handed. ``schema``,
        ``kind``, ``key`` and ``files`` are filled in. If the key has a record already, that one stays and is
        returned. A training's checkpoints are removed. `InputError` if the disk is full or can't be written.
        """
        folder = self.folder(kind, key)
        with as_input_error(folder):
            stored = self.get(kind, key) or self._write(kind, key, record, files)
        if kind == "training" and not (self.root / "checkpoints").is_symlink():
            remove(self.root / "checkpoints" / key)
        return stored

    def _write(
        self, kind: Stored, key: str, record: Mapping[str, Any], files: Mapping[str, Path | Callable[[Path], None]]
    ) -> Record:
        self._own(FOLDERS[kind])
        with self.temporary_folder(key) as temporary:
            whole = {**record, "schema": SCHEMA, "kind": kind, "key": key, "files": {}}
            for name, content in files.items():
                path = temporary / name
                if isinstance(content, Path):
                    shutil.copyfile(content, path)
                else:
                    content(path)
                sync(path)
                whole["files"][name] = describe(path)
            try:
                check(whole, kind, key)
            except Damaged as error:
                raise ValueError(str(error)) from None
            write(temporary / "record.json", encode(whole))
            sync(temporary)
            return self._rename(temporary, self.folder(kind, key), kind, key)

    def _rename(self, temporary: Path, folder: Path, kind: Stored, key: str) -> Record:
        while True:
            try:
                temporary.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Another process was first: its record stays. None: it was damaged and is now out of the way.
                first = self.get(kind, key)
                if first is None and folder.exists():
                    raise
                if first is not None:
                    return first
            else:
                sync(folder.parent)
                return decode(read(folder / "record.json"))

    @contextmanager
    def temporary_folder(self, name: str) -> Iterator[Path]:
        """Yield a new folder on the store's file system in which something can be written unseen; gone at the end."""
        with temporary_folder(self._own("incoming") / name) as folder:
            yield folder

    # -- failures

    def put_failure(
        self,
        key: str,
        of: Stored,
        reason: str,
        traceback: str = "",
        *,
        started: str = "",
        environment: Mapping[str, Any] | None = None,
        micro_batch: int | None = None,
    ) -> Record:
        """Store that the training or evaluation `key` failed; `reason` is one line. Earlier failures stay.

        `micro_batch`: images at once with which a training that ran out of memory shall be tried next.
        """
        record: Record = {
            "schema": SCHEMA, "kind": "failure", "key": key, "of": of, "reason": " ".join(reason.split()),
            "traceback": traceback, "started": started, "environment": dict(environment or {}),
            **({"micro_batch": micro_batch} if micro_batch is not None else {}),
        }  # fmt: skip
        folder = self.root / "failures"
        with as_input_error(folder), self.temporary_folder(key) as temporary:
            self._own("failures")
            write(temporary / "record.json", encode(record))
            number = 1
            while not _link(temporary / "record.json", folder / f"{key}-{number}.json"):
                number += 1
            sync(folder)
        return record

    def failures(self, key: str) -> tuple[Record, ...]:
        """Return what went wrong with `key` so far, oldest first."""
        records: list[Record] = []
        number = 1
        while os.path.lexists(path := self.root / "failures" / f"{key}-{number}.json"):
            number += 1
            try:
                record = decode(read(path))
                check(record, "failure", key)
            except (Damaged, OtherSchema, OSError) as error:
                self.warn(f"{path}: {_reason(error)}. Ignored.")
            else:
                records.append(record)
        return tuple(records)

    # -- locks

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Work on `key` alone; waits for whoever does so now."""
        lock = self._acquire(key, wait=True)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    @contextmanager
    def try_lock(self, key: str) -> Iterator[bool]:
        """Work on `key` alone if nobody else does: yields whether it is ours, without waiting."""
        lock = self._acquire(key, wait=False)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def _acquire(self, key: str, wait: bool) -> BaseFileLock | None:
        # A lock of the operating system, not the file's existence: it ends with the process that holds it.
        path = self.root / "locks" / f"{key}.lock"
        lock = FileLock(path, timeout=-1 if wait else 0)
        try:
            self._own("locks")
            if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
                remove(path)  # no lock, and some versions of filelock would empty what a link leads to
            lock.acquire()
        except Timeout:
            return None
        except OSError as error:
            raise refusal(path, error) from error
        return lock


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except PermissionError:
        if path.is_symlink():
            raise
        path.chmod(0o755)  # a directory that can't be written to can't change its parent
        path.rename(target)


def _size(path: Path) -> dict[str, Any]:
    return {"bytes": regular(path).st_size}


def _load(folder: Path, kind: Stored, key: str, read_files: Callable[[Path], Mapping[str, Any]]) -> Record | None:
    """Return the record in `folder`, its files compared with what `look` sees; None if there is nothing."""
    try:
        record = decode(read(folder / "record.json"))
    except OSError as error:
        there = os.path.lexists(folder)
        if isinstance(error, FileNotFoundError) and not there:
            return None
        if not there or not unreadable(error):
            raise
        raise Damaged(f"record.json {_reason(error)}") from None
    try:
        check(record, kind, key)
    except OtherSchema as error:
        raise InputError(
            f"{folder / 'record.json'}: {error}: written by another version of this suite. "
            "Use that version, or another --store."
        ) from None
    for name, expected in record["files"].items():
        try:
            seen = read_files(folder / name)
        except OSError as error:
            if not unreadable(error):
                raise
            raise Damaged(f"{name} {_reason(error)}") from None
        if any(expected[what] != value for what, value in seen.items()):
            raise Damaged(f"{name} does not match its {' and '.join(seen)}")
    return record


def _reason(error: Exception) -> str:
    """Return in words to follow a file's name why it can't be read."""
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)


def _link(source: Path, target: Path) -> bool:
    """Give the file at `source` the name `target` too, unless that is taken."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
            raise
        # A file system without hard links (FAT, some network shares): failures of one key are written
        # under that key's lock, so nobody takes the name between the question and the rename.
        if target.exists():
            return False
        source.rename(target)
    return True
