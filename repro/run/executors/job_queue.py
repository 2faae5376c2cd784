"""Which jobs of a run are open, done or failed, and which one is next: the same for every executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from repro.run.environment import environment
from repro.run.executors.order import Work, dependents, priorities
from repro.run.progress.events import Event, Failed, Message, Waiting
from repro.store.store import Store, Stored

_ASK_AGAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """How a run ended: keys of jobs that are `done`, reasons of jobs and evaluations that `failed`, keys of jobs
    that are `left` because it was interrupted.
    """

    done: tuple[str, ...]
    failed: Mapping[str, str]
    left: tuple[str, ...]
    interrupted: bool


class JobQueue:
    """The jobs of one run; `listener` gets every event."""

    def __init__(self, work: Sequence[Work], store: Store, listener: Callable[[Event], None]) -> None:
        self.store, self.listener = store, listener
        self.priority = priorities(work)
        self.open = {item.key: item for item in work}
        self.done: list[str] = []
        self.failed: dict[str, str] = {}
        self._ask_again_at: dict[str, float] = {}  # jobs that another run works on
        self._not_before: dict[str, float] = {}
        self._told: set[str] = set()

    @property
    def outcome(self) -> Outcome:
        """How the run stands."""
        return Outcome(tuple(self.done), self.failed, tuple(self.open), interrupted=bool(self.open))

    def next(self, taken: Collection[str], after: Collection[str] = ()) -> Work | None:
        """The most urgent job that waits for none, or for one of `after` only; None if all such are `taken`."""
        now = time.monotonic()
        free = [
            item
            for item in self.open.values()
            if item.key not in taken
            and (item.after not in self.open or item.after in after)
            and max(self._ask_again_at.get(item.key, now), self._not_before.get(item.key, now)) <= now
        ]
        return max(free, key=lambda item: self.priority[item.key], default=None)

    def pass_on(self, event: Event) -> None:
        """Hand an event to the listener, a message once only."""
        if isinstance(event, Failed):
            self.failed[event.key] = event.reason
        if isinstance(event, Message):
            if event.text in self._told:
                return  # each worker has the same warning
            self._told.add(event.text)
        self.listener(event)

    def finish(self, work: Work) -> None:
        """Note that a job is done."""
        self.done.append(work.key)
        del self.open[work.key]

    def put_off(self, work: Work) -> None:
        """Another run works on this one: leave it alone for a moment."""
        if not self._ask_again_at:
            self.listener(
                Message(
                    f"{self.store.root}: another run works on this store too. This one does what is left, and takes "
                    "the other's results as they come."
                )
            )
        if work.key not in self._ask_again_at:
            self.listener(Waiting(work.key))
        self._ask_again_at[work.key] = time.monotonic() + _ASK_AGAIN_SECONDS

    def delay(self, work: Work, seconds: float) -> None:
        """Leave a job alone for so long."""
        self._not_before[work.key] = time.monotonic() + seconds

    def fail(self, work: Work, reason: str, traceback: str, started: str, micro_batch: int | None = None) -> None:
        """Record that `work` failed and, unless its training was stored before that, all that starts from it.

        `micro_batch`: the images at once to try next, where memory was short.
        """
        if self.store.peek("training", work.key) is not None:
            self._record_failure(work, "evaluation", reason, traceback, started)
            return
        for dependent in dependents(list(self.open.values()), work.key):
            self._record_failure(dependent, "training", f"its pre-training failed: {reason}", "", started)
        self._record_failure(work, "training", reason, traceback, started, micro_batch)

    def _record_failure(
        self, work: Work, of: Stored, reason: str, traceback: str, started: str, micro_batch: int | None = None
    ) -> None:
        del self.open[work.key]
        self.failed[work.key] = reason
        self.store.put_failure(
            work.key, of, reason, traceback, started=started, environment=environment(), micro_batch=micro_batch
        )
        self.listener(Failed(work.key, reason))
