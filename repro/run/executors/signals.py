"""Ctrl-C and SIGTERM, counted instead of ending the program."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Signals:
    """How often the program was asked to stop."""

    count: int = 0


@contextmanager
def counted_signals() -> Iterator[Signals]:
    """Count SIGINT and SIGTERM instead of ending, where that is possible: in a program's main thread.

    What the program was told to ignore stays ignored: a script's background jobs must not notice its Ctrl-C.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def count(*_: object) -> None:
        signals.count += 1

    minded = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, count) for number in minded}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
