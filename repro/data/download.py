"""Download a file: resumed where it stopped, kept only if its checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from repro.data.disk import opened, unwritable
from repro.errors import InputError

ProgressCallback = Callable[[int, int], None]
"""Told (bytes here, bytes in all)."""

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_ATTEMPTS = 5
"""Connections in a row that bring nothing before we give up; one that brings something starts the count again."""


@dataclass(frozen=True)
class Checksum:
    """What a file's owner publishes of its content: `begins` is the beginning of a hexadecimal digest, or all of it.

    Where nothing is published (empty), a file's length is all that is known of it.
    """

    kind: Literal["md5", "sha256"]
    begins: str

    def of(self, path: Path) -> str:
        """The file's digest, as much of it as is published. MD5 tells damage, not forgery.

        Raises what `opened` does.
        """
        with opened(path) as file:
            digest = hashlib.file_digest(file, lambda: hashlib.new(self.kind, usedforsecurity=False))
        return digest.hexdigest()[: len(self.begins)]

    def refusal(self, path: Path) -> str:
        """Empty if the file is the published one, else what differs."""
        digest = self.of(path) if self.begins else ""
        return "" if digest == self.begins else f"{self.kind.upper()} {digest}, expected {self.begins}"


def download(
    url: str,
    path: Path,
    checksum: Checksum,
    progress: ProgressCallback | None = None,
    pause_seconds: float = 2.0,
    elsewhere: str = "give another --root",
) -> None:
    """Fetch `url` into `path`, which then has the checksum; a file that is there is only checked.

    What arrives is kept in `path`.part, from where the next call goes on. InputError if the server cannot be reached
    or refuses, if the disk is full (`elsewhere` says how to choose another folder), or if the checksum is wrong; a file
    with a wrong checksum never gets to `path`.
    """
    if path.exists():
        if refusal := checksum.refusal(path):
            raise InputError(f"{path}: {refusal}: cut short or another file. Remove it and run again.")
        return
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(part.with_name(part.name + ".lock")):
            if not checksum.begins:
                part.unlink(missing_ok=True)  # nothing would tell that it belongs to another version of the file
            resumed = part.exists()
            _fetch(url, part, progress, pause_seconds, elsewhere)
            if resumed and checksum.refusal(part):  # the rest may belong to another version of the file
                part.unlink()
                _fetch(url, part, progress, pause_seconds, elsewhere)
            if refusal := checksum.refusal(part):
                part.unlink()
                raise InputError(
                    f"{url}: {refusal}: not the published file. Nothing was kept; try again later, or get it elsewhere "
                    f"and put it at {path}."
                )
            os.replace(part, path)
    except OSError as error:
        raise unwritable(path.parent, "downloads", error, elsewhere) from error


def _fetch(url: str, part: Path, progress: ProgressCallback | None, pause_seconds: float, elsewhere: str) -> None:
    """Append to `part` until it is as long as the server says; reconnect where the connection breaks."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _fetch_once(url, part, before, progress, elsewhere):
                return
            reason = "the connection broke"
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to send: the checksum decides
                return
            raise InputError(
                f"{url}: the server answered {error.code} {error.reason}. Get the file elsewhere, put it at "
                f"{part.with_suffix('')}, and run again."
            ) from error
        except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        now = part.stat().st_size if part.exists() else 0
        failures = failures + 1 if now <= before else 0
        if failures >= _ATTEMPTS:
            raise InputError(
                f"{url}: cannot be reached ({reason}). Run again to go on from {now / 1e6:.0f} MB, or get the file "
                f"elsewhere and put it at {part.with_suffix('')}."
            )
        time.sleep(pause_seconds)


def _fetch_once(url: str, part: Path, have: int, progress: ProgressCallback | None, elsewhere: str) -> bool:
    """One connection; True if the file is complete as far as the server says."""
    headers = {"User-Agent": "repro", **({"Range": f"bytes={have}-"} if have else {})}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS) as response:
        if have and not str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-"):
            have = 0  # a server that does not resume sends the whole file
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        _check_space(part, (total or 0) - have, elsewhere)
        with open(part, "r+b" if have else "wb") as file:
            file.seek(have)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, total or have)
            file.flush()
            os.fsync(file.fileno())
    return total is None or have >= total


def _check_space(part: Path, needed: int, elsewhere: str) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(
            f"{part.parent}: no space left for downloads ({needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free). "
            f"Free some, or {elsewhere}."
        )
