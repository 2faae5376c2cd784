"""A process that ends with the one that started it, however that one ends: no GPU stays occupied for nothing."""

from __future__ import annotations

import os
import threading
import time

LOOK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """End this process at once, without a word, when the process `parent` is its parent no more.

    It looks at its parent's number, which changes when that process ends, even by `kill -9`. A pipe would tell
    sooner, but only where some thread reads it.
    """

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch_parent, name="end-with-parent", daemon=True).start()
