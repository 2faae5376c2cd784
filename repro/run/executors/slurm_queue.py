"""What Slurm's queue says of the jobs that were submitted from here: one `squeue` for all of them, now and then.

Not `sacct`, which submitit asks: that needs a data base of accounts, which not every cluster has, and without one a job
that is killed would be waited for for ever.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_ASK_SECONDS = 10.0
"""Between two questions: clusters ask their users not to poll more often."""
_COMMAND_SECONDS = 60.0
OVER = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
        "GONE",
    }
)
"""States after which a job does not run, unless Slurm queues it again; GONE: the queue has forgotten it."""
_ORDINARY = frozenset({"None", "Priority", "Resources", "Dependency", "BeginTime", "Cleaning", "Prolog"})
"""Reasons to wait that pass by themselves."""


@dataclass(frozen=True)
class SlurmJobState:
    """A job as the queue shows it."""

    state: str
    reason: str = ""

    @property
    def stuck(self) -> bool:
        """Whether it waits for something that may never come: a limit, a partition that is too small, an account."""
        return self.state == "PENDING" and self.reason not in _ORDINARY


def squeue() -> str:
    """This user's jobs, `id|state|reason` a line, those that ended lately as well. OSError, SubprocessError."""
    command = ("squeue", "--noheader", f"--user={os.getuid()}", "--states=all", "--format=%i|%T|%r")
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_COMMAND_SECONDS)
    return done.stdout


@dataclass
class SlurmQueue:
    """The last answer, and when it was given; `answers` counts them."""

    ask: Callable[[], str] = squeue
    clock: Callable[[], float] = time.monotonic
    answers: int = 0
    reported_reasons: set[str] = field(default_factory=set)
    """Reasons to wait that the user has heard of."""
    _last_query: float = float("-inf")
    _jobs: dict[str, SlurmJobState] = field(default_factory=dict)

    def state_of(self, job_id: str, *, now: bool = False) -> SlurmJobState | None:
        """The job; None while nothing is known, as Slurm does not answer. `now`: ask, even if that was just done."""
        if now or self.clock() - self._last_query >= _ASK_SECONDS:
            self._last_query = self.clock()
            try:
                lines = self.ask().splitlines()
            except (OSError, subprocess.SubprocessError):
                return None  # its controller is restarted, or overloaded: the jobs go on, and we ask again
            rows = [line.split("|", 2) for line in lines if line.count("|") >= 2]
            self._jobs = {id_.strip(): SlurmJobState(state.strip(), reason.strip()) for id_, state, reason in rows}
            self.answers += 1
        return self._jobs.get(job_id, SlurmJobState("GONE")) if self.answers else None


def has_gpus(partition: str | None) -> bool:
    """Whether machines of the partition (None: of any) have GPUs; True where Slurm does not say."""
    chosen = (f"--partition={partition}",) if partition else ()
    command = ("sinfo", "--noheader", "--format=%G", *chosen)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_COMMAND_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return True
    return "gpu" in done.stdout
