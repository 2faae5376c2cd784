"""What is known of files, remembered from one process to the next while a file stays as it is.

That is: same path, inode, size, time of modification and time of change. Programs that copy or restore files set the
time of modification back; nobody sets the time of change.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro.files import Damaged, Stamp, read, seal, settled, stamp, unseal, write


def default_folder() -> Path:
    """Where a user's caches go: XDG_CACHE_HOME, else ~/.cache; for a user without a home, where nothing can be kept."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro"
    except RuntimeError:
        return Path(os.devnull)


class Memo:
    """Path of a file -> what was learnt of it, in one JSON file that may be deleted at any time.

    `reader` names the way of reading: what another one learnt is forgotten. `encode` and `decode` are json's `default`
    and `object_hook`, for values that JSON has no form for.
    """

    def __init__(
        self,
        path: Path,
        reader: str = "",
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self._path, self._reader, self._encode = path, reader, encode
        self._known = _read(path, reader, decode)
        self._changed = False

    def recall(self, path: Path, stat: os.stat_result) -> Any:
        """What is remembered of a file that has not changed since; None where nothing is."""
        then, value = self._known.get(str(path.absolute()), ((), None))
        return value if then == stamp(stat) else None

    def learn(self, path: Path, stat: os.stat_result, value: Any) -> None:
        """Remember `value`; `stat` is what the file was like before it was read."""
        if settled(stat):
            self._known[str(path.absolute())] = (stamp(stat), value)
            self._changed = True

    def keep(self) -> None:
        """Write what was learnt. Where that fails nothing is lost but the time to learn it again."""
        if not self._changed:
            return
        with contextlib.suppress(OSError, TypeError, ValueError):
            files = {path: value for path, value in self._known.items() if os.path.exists(path)}
            data = seal({"reader": self._reader, "files": files}, default=self._encode)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write(self._path, data, durable=False)
        self._changed = False


def _read(path: Path, reader: str, decode: Callable[[dict[str, Any]], Any] | None) -> dict[str, tuple[Stamp, Any]]:
    """path -> (stamp, value); empty where there is no memo, or a damaged one, or another reader's."""
    try:
        content = unseal(read(path), decode)
        if content["reader"] != reader:
            return {}
        return {str(name): (tuple(map(int, then)), value) for name, (then, value) in content["files"].items()}
    except (OSError, Damaged, ValueError, TypeError, AttributeError, KeyError):
        return {}
