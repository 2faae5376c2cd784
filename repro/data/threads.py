"""Many small pieces of work, in as many threads as the process may use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from repro.cores import cores

Item = TypeVar("Item")
Done = TypeVar("Done")

AHEAD = 2
"""Pieces, for each thread, done ahead of their reader: bounds memory where images are large."""


def in_threads(work: Callable[[Item], Done], items: Sequence[Item]) -> Iterator[Done]:
    """`work` of each item, in order; worth it where the work leaves the interpreter's lock, as Pillow and numpy do."""
    count = cores()
    with ThreadPoolExecutor(count) as threads:
        ahead: deque[Future[Done]] = deque()
        try:
            for item in items:
                ahead.append(threads.submit(work, item))
                if len(ahead) > AHEAD * count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
