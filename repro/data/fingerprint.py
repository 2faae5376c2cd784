"""Content hashes of a data set's files, remembered while a file stays as it is (`repro.memo`)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from repro.data.decode import unreadable
from repro.data.disk import opened
from repro.data.format import Sample
from repro.errors import InputError
from repro.memo import Memo


class Digests:
    """SHA-256 of files; known ones come from a memo that is kept in `folder`, one file per data set directory."""

    def __init__(self, folder: Path, home: Path) -> None:
        digest = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:20]
        self._folder = folder / "fingerprints"
        self._memo = Memo(self._folder / f"{digest}.json", "sha256")

    def of(self, path: Path) -> str:
        """Hex digest of a file's content. OSError as from open."""
        stat = os.stat(path)
        known = self._memo.recall(path, stat)
        if isinstance(known, str):
            return known
        with opened(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._memo.learn(path, stat, digest)
        return digest

    def keep(self) -> None:
        """Write what was learnt. Where that fails nothing is lost but the time to hash again."""
        if not self._folder.is_symlink():  # in a store that is somebody else's it may lead anywhere
            self._memo.keep()


def of_samples(samples: Iterable[Sample], digests: Digests) -> str:
    """Hex digest of the samples' order, names and file contents; InputError names the list's line of a bad file."""
    total = hashlib.sha256()
    for sample in samples:
        try:
            contents = [digests.of(sample.image), digests.of(sample.labels)]
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{sample.listed}: {unreadable(Path(error.filename), error)}") from None
        except OSError as error:
            raise unreadable(Path(error.filename or sample.image), error) from error
        total.update(repr((sample.name, *contents)).encode())
    digests.keep()
    return total.hexdigest()
