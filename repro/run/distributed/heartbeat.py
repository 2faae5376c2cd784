"""What each process of a worker group is at, and what is said where none of them moves.

Processes that train one network wait for each other in every sum. If one of them never comes, the others wait half an
hour without a word. So each writes heartbeats: a thread that works while the main one waits writes down how many steps
are finished, where in the code it is, and how much it has computed. The worker looks at them and tells.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from repro.run.progress.state import in_words

HEARTBEAT_SECONDS = 5.0
TELL_SECONDS = 120.0
"""Without a finished step, after which it is told; then after twice that, four times, ..."""
GIVE_UP_SECONDS = 600.0
"""After which a worker group whose processes all wait for each other, and compute nothing, is ended."""
_LOST_SECONDS = 60.0
"""A heartbeat older than this says nothing any more: its process stands still, or the machine is overloaded."""
_IDLE_SHARE = 0.02
"""Of a processor: less is what the heartbeat itself takes."""
_PACKAGE = Path(__file__).parents[2]
_TOGETHER = os.path.join("torch", "distributed") + os.sep
"""Where a process is that waits for others: in a sum, or until all have joined."""
_BACKWARD = os.path.join("torch", "autograd") + os.sep
"""Where it is while gradients are computed, and summed up at their end, which happens outside of Python."""


class StalledError(Exception):
    """The processes of a worker group wait for each other for ever; the text says where."""


@dataclass(frozen=True)
class Heartbeat:
    """What one process said last. Times are in seconds of `time.monotonic`, which all processes of a machine share."""

    rank: int
    at: float
    step: int | None
    """Steps finished; None before the first one begins."""
    where: str
    """Such as "repro/train/distributed.py:64 (all_reduce)"."""
    waits: bool
    """Whether it is in a sum with others, or may be."""
    computed: float
    """Seconds of processor time since it began."""


class HeartbeatSender:
    """Sends one process's heartbeats until the process ends."""

    def __init__(self, rank: int, send: Callable[[str, Heartbeat], None], seconds: float = HEARTBEAT_SECONDS) -> None:
        self._rank, self._send, self._seconds = rank, send, seconds
        self._main = threading.main_thread().ident
        self._step: int | None = None

    def begin(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._send_always, name="heartbeat", daemon=True).start()

    def step(self, step: int) -> None:
        """Note that so many steps are finished."""
        self._step = step

    def one_more(self) -> None:
        """Note that one more is."""
        self._step = (self._step or 0) + 1

    def heartbeat(self) -> Heartbeat:
        """What the main thread is at."""
        where, waits = location(sys._current_frames().get(self._main or 0))
        return Heartbeat(self._rank, time.monotonic(), self._step, where, waits, time.process_time())

    def _send_always(self) -> None:
        while True:
            self._send("heartbeat", self.heartbeat())
            time.sleep(self._seconds)


def location(frame: FrameType | None) -> tuple[str, bool]:
    """Where in this package a thread is, and whether it waits for others there, or may."""
    waits = False
    while frame is not None:
        path = frame.f_code.co_filename
        waits = waits or _TOGETHER in path or _BACKWARD in path
        if Path(path).is_relative_to(_PACKAGE) and Path(path) != Path(__file__):
            inside = Path(path).relative_to(_PACKAGE.parent)
            return f"{inside.as_posix()}:{frame.f_lineno} ({frame.f_code.co_name})", waits
        frame = frame.f_back
    return "outside of repro", waits


class StallDetector:
    """Notices that the workers of a training, called `name`, do not move, and reports it; pure but for the `clock`."""

    def __init__(
        self, name: str, processes: int, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._processes, self._warn, self._clock = name, processes, warn, clock
        self._steps: dict[int, int | None] = {}
        self._moved = clock()
        self._computed: dict[int, float] = {}
        """Processor time of each when one of them last moved."""
        self._next = TELL_SECONDS

    def check_progress(self, heartbeats: Mapping[int, Heartbeat]) -> None:
        """Take note of the heartbeats. Raises StalledError where all wait for each other and will for ever."""
        now = self._clock()
        steps = {rank: heartbeat.step for rank, heartbeat in heartbeats.items()}
        still = now - self._moved
        if any(rank not in self._steps or self._steps[rank] != step for rank, step in steps.items()):
            if self._next > TELL_SECONDS:
                self._warn(f"{self._name}: goes on, after {in_words(still)}")
            self._moved, self._next = now, TELL_SECONDS
            self._steps.update(steps)
            self._computed = {rank: heartbeat.computed for rank, heartbeat in heartbeats.items()}
        elif still >= GIVE_UP_SECONDS and self._for_ever(heartbeats, still):
            raise StalledError(
                f"all {self._processes} processes wait for each other: {self._stall_message(heartbeats, still)}"
            )
        elif still >= self._next:
            self._next *= 2
            self._warn(
                f"{self._name}: no step finished for {in_words(still)}; {self._stall_message(heartbeats, still)}"
            )

    def _for_ever(self, heartbeats: Mapping[int, Heartbeat], still: float) -> bool:
        """Whether every process is heard of, waits, and has computed nothing since the last step."""
        heard = [heartbeat for heartbeat in heartbeats.values() if self._age(heartbeat) < _LOST_SECONDS]
        idle = all(self._busy(heartbeat) < _IDLE_SHARE * still for heartbeat in heard)
        return len(heard) == self._processes and all(heartbeat.waits for heartbeat in heard) and idle

    def _age(self, heartbeat: Heartbeat) -> float:
        return self._clock() - heartbeat.at

    def _busy(self, heartbeat: Heartbeat) -> float:
        return heartbeat.computed - self._computed.get(heartbeat.rank, 0.0)

    def _stall_message(self, heartbeats: Mapping[int, Heartbeat], still: float) -> str:
        return "; ".join(self._of_rank(rank, heartbeats.get(rank), still) for rank in range(self._processes))

    def _of_rank(self, rank: int, heartbeat: Heartbeat | None, still: float) -> str:
        if heartbeat is None:
            return f"process {rank} has not begun"
        after = "before its first step" if heartbeat.step is None else f"after step {heartbeat.step}"
        busy, age = self._busy(heartbeat), self._age(heartbeat)
        what = "waits for the others" if heartbeat.waits and busy < _IDLE_SHARE * still else "is"
        lost = f" (heard of {in_words(age)} ago)" if age > _LOST_SECONDS else ""
        return f"process {rank}, {after}, {what} in {heartbeat.where}{lost}, having computed {busy:.0f} s since"
