"""In which order jobs run: those on which most work depends first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Work:
    """A job for a worker: `job` is what it executes, under the lock and name `key`.

    `after` is the key of the work whose result it starts from (None, or not in the run: nothing to wait
    for); `cost` is how long it takes, in any unit that is the same for all.
    """

    key: str
    job: Any
    after: str | None = None
    cost: float = 1.0


def priorities(work: Iterable[Work]) -> dict[str, float]:
    """Return for each key its cost plus that of the longest chain of work that waits for it.

    Taking the largest first is Graham's list scheduling by critical path: no worker is left with the one
    long job at the end. ValueError for two jobs of one key and for jobs that wait for each other.
    """
    by_key: dict[str, Work] = {}
    for item in work:
        if item.key in by_key:
            raise ValueError(f"two jobs of the key {item.key}")
        by_key[item.key] = item
    longest_after = dict.fromkeys(by_key, 0.0)
    waiting = {item.key: sum(other.after == item.key for other in by_key.values()) for item in by_key.values()}
    free = [key for key, count in waiting.items() if count == 0]
    result: dict[str, float] = {}
    while free:
        key = free.pop()
        item = by_key[key]
        result[key] = item.cost + longest_after[key]
        if item.after in by_key:
            longest_after[item.after] = max(longest_after[item.after], result[key])
            waiting[item.after] -= 1
            if waiting[item.after] == 0:
                free.append(item.after)
    if len(result) < len(by_key):
        raise ValueError(f"jobs wait for each other: {', '.join(sorted(by_key.keys() - result.keys()))}")
    return result


def dependents(work: Sequence[Work], key: str) -> list[Work]:
    """Return all work that waits for `key`, directly or through other work, nearest first."""
    waiting: list[Work] = []
    keys = [key]
    while keys:
        direct = [item for item in work if item.after in keys]
        waiting += direct
        keys = [item.key for item in direct]
    return waiting
