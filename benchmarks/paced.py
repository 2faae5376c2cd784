"""A training that runs some steps at a time: so that it can take turns with others without beginning anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from repro.train.loop import StoppedError


class Paced:
    """`train(should_stop)`, which asks `should_stop` after every step, in a thread that waits between turns."""

    def __init__(self, train: Callable[[Callable[[], bool]], object]) -> None:
        self._train = train
        self._left = 0
        self._over = False
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def turn(self, steps: int) -> None:
        """Let it compute so many steps more; raises what it raises."""
        self._left = steps
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._go.release()
        self._done.acquire()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End it."""
        self._over = True
        self._go.release()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with suppress(StoppedError):
                self._train(self._should_stop)
                raise RuntimeError("the training ended before its turns did")
        except BaseException as error:
            self._error = error
        self._done.release()

    def _should_stop(self) -> bool:
        self._left -= 1
        if self._left > 0:
            return False
        self._done.release()
        self._go.acquire()
        return self._over
