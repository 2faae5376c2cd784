"""Content hashes of a data set's files, remembered by (path, size, modification time)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from repro.data.format import Sample
from repro.data.images import unreadable
from repro.errors import InputError

_SETTLED_SECONDS = 2.0
"""A file this young could change again within one tick of the file system's clock: it is hashed each time."""


class Digests:
    """SHA-256 of files; known ones come from a memo that is kept in `folder`, one file per data set directory."""

    def __init__(self, folder: Path, home: Path) -> None:
        told = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:20]
        self._memo_path = folder / "fingerprints" / f"{told}.json"
        self._memo = _read_memo(self._memo_path)
        self._changed = False

    def of(self, path: Path) -> str:
        """Hex digest of a file's content. OSError as from open."""
        stat = os.stat(path)
        known = self._memo.get(str(path))
        if known is not None and known[0] == stat.st_size and known[1] == stat.st_mtime_ns:
            return known[2]
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if time.time() - stat.st_mtime > _SETTLED_SECONDS:
            self._memo[str(path)] = (stat.st_size, stat.st_mtime_ns, digest)
            self._changed = True
        return digest

    def keep(self) -> None:
        """Write what was learnt. Where that fails nothing is lost but the time to hash again."""
        if not self._changed:
            return
        aside = self._memo_path.with_suffix(f".{os.getpid()}.partial")
        with contextlib.suppress(OSError):
            self._memo_path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(self._memo), encoding="utf-8")
            os.replace(aside, self._memo_path)
            self._changed = False


def _read_memo(path: Path) -> dict[str, tuple[int, int, str]]:
    """path -> (bytes, mtime in ns, digest); empty where there is no memo or it is damaged."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): (int(size), int(mtime), str(digest)) for name, (size, mtime, digest) in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def default_folder() -> Path:
    """Where a user's caches go: XDG_CACHE_HOME, else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro"


def of_samples(samples: Iterable[Sample], digests: Digests) -> str:
    """Hex digest of the samples' order, names and file contents; InputError names the list's line of a bad file."""
    total = hashlib.sha256()
    for sample in samples:
        try:
            contents = [digests.of(sample.image), digests.of(sample.labels)]
        except FileNotFoundError as error:
            raise InputError(
                f"{sample.listed}: {error.filename}: no such file. The data set is incomplete; unpack it again."
            ) from None
        except OSError as error:
            raise unreadable(Path(error.filename or sample.image), error) from error
        total.update(repr((sample.name, *contents)).encode())
    digests.keep()
    return total.hexdigest()
