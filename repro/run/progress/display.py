"""Which view of a run fits the place its messages go to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from repro.run.progress.events import Event
from repro.run.progress.lines import Lines
from repro.run.progress.state import Progress


@contextmanager
def show_progress(progress: Progress, stream: TextIO | None = None) -> Iterator[Callable[[Event], None]]:
    """Show `progress` on `stream` (stderr) while the block runs; yields the listener for the run's events.

    A terminal gets one live picture (without colours if ``NO_COLOR`` is set), everything else plain lines.
    """
    stream = stream or sys.stderr
    if not stream.isatty() or os.environ.get("TERM") in (None, "dumb"):
        yield Lines(progress, lambda line: print(line, file=stream, flush=True))
        return
    from rich.console import Console  # 50 ms that a log file need not wait for

    from repro.run.progress.live import live

    with live(progress, Console(file=stream)) as view:
        yield view
