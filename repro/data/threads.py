"""Many small pieces of work, in as many threads as the process may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from repro.cores import cores

Item = TypeVar("Item")
Done = TypeVar("Done")

AT_ONCE = 64
"""Pieces done ahead of their reader: bounds memory on large data sets."""


def in_threads(work: Callable[[Item], Done], items: Sequence[Item]) -> Iterator[Done]:
    """`work` of each item, in order; worth it where the work leaves the interpreter's lock, as Pillow and numpy do."""
    with ThreadPoolExecutor(cores()) as threads:
        for start in range(0, len(items), AT_ONCE):
            yield from threads.map(work, items[start : start + AT_ONCE])
