"""Files of weights: where they are, and what tells one from another."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from repro.errors import InputError
from repro.nets import weight_files
from repro.run import pretrained_weights
from repro.store.store import Store


def weights_file(folder: Path, name: str) -> Path:
    """The file of these weights in a folder, fetched if it is the hub's; InputError where there is none."""
    if folder == pretrained_weights.folder():
        pretrained_weights.fetch(name, folder, partial(print, file=sys.stderr, flush=True))
    return weight_files.find(folder, name)


def weights_digest(folder: Path, name: str, store: Store) -> str:
    """20 hex digits of the content of the file of these weights; InputError where there is none."""
    return file_digest(weights_file(folder, name), store)


def file_digest(path: Path, store: Store) -> str:
    """20 hex digits of a file's content; InputError where it cannot be read."""
    from repro.data.fingerprint import Digests

    digests = Digests(store.cache, path.parent)
    try:
        digest = digests.of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Make it readable for this user.") from error
    if store.root.exists():  # what is refused leaves no store behind
        digests.keep()
    return digest[:20]
