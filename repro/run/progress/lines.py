"""The progress of a run as plain lines, for log files and terminals that can't be drawn on."""

from __future__ import annotations

from collections.abc import Callable

from repro.run.progress.events import EvaluationDone, Event, Failed, Message, Stopped, TrainingDone, Waiting
from repro.run.progress.state import Progress, Running, in_words
from repro.spec.metric import MIOU

_HEARTBEAT_SECONDS = 30.0


class Lines:
    """Tells `write` a line for each thing that is finished, and one now and then while nothing is."""

    def __init__(self, progress: Progress, write: Callable[[str], None]) -> None:
        self._progress = progress
        self._write = write
        self._last = progress.clock()

    def __call__(self, event: Event) -> None:
        """Take note of `event` and tell what there is to tell."""
        trained_here = isinstance(event, TrainingDone) and event.key in self._progress.running
        self._progress.apply(event)
        line = self._line(event) if trained_here or not isinstance(event, TrainingDone) else None
        now = self._progress.clock()
        if line is None and now - self._last >= _HEARTBEAT_SECONDS:
            busy = [describe(self._progress, running) for running in self._progress.running.values()]
            for search in self._progress.searching.values():
                busy.append(f"{self._progress.label(search.key)}: CRF search {search.done}/{search.of}")
            line = "; ".join(busy) + self._time_left() if busy else None
        if line is not None:
            self._last = now
            self._write(line)

    def _line(self, event: Event) -> str | None:
        """Return what to say of `event`, None for nothing."""
        match event:
            case TrainingDone():
                return f"{self._progress.label(event.key)}: trained in {in_words(event.seconds)}"
            case EvaluationDone():
                done, of = self._progress.evaluations
                label = self._progress.label(event.key)
                value = f"{MIOU.title} {MIOU.factor * event.metrics[MIOU.name]:.2f} %"
                return f"[{done}/{of}] {label}: {value}{self._time_left()}"
            case Failed() | Stopped() | Waiting() | Message():
                return event_text(self._progress, event)
            case _:
                return None

    def _time_left(self) -> str:
        seconds = self._progress.seconds_left()
        return "" if seconds is None or not self._progress.fraction < 1 else f"; about {in_words(seconds)} left"


def event_text(progress: Progress, event: Failed | Stopped | Waiting | Message) -> str:
    """Return the line for what a user has to know of in any kind of view."""
    match event:
        case Failed():
            return f"{progress.label(event.key)}: failed: {event.reason}"
        case Stopped():
            return f"{progress.label(event.key)}: stopped; the same command goes on from its checkpoint"
        case Waiting():
            return f"{progress.label(event.key)}: left to the other run"
        case Message():
            return event.text


def describe(progress: Progress, running: Running) -> str:
    """Return where a running training is: step, loss, speed."""
    parts = [f"step {running.step}/{running.iterations}"]
    if running.loss is not None:
        parts.append(f"loss {running.loss:.3f}")
    if running.seconds_per_step:
        parts.append(speed(running.seconds_per_step))
    return f"{progress.label(running.key)}: " + ", ".join(parts)


def speed(seconds_per_step: float) -> str:
    """Return a speed in the unit that gives a number above one."""
    if seconds_per_step > 1:
        return f"{seconds_per_step:.1f} s per step"
    return f"{1 / seconds_per_step:.1f} steps/s"
