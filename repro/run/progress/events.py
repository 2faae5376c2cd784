"""What happens during a run, as reported by the workers to whoever watches. All can be sent between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingStarted:
    """Training `key` begins, at step `resumed_at` of `iterations` (0: from nothing)."""

    key: str
    iterations: int
    resumed_at: int = 0


@dataclass(frozen=True)
class TrainingStep:
    """Training `key` has done `step` steps; `loss` is the last one's."""

    key: str
    step: int
    loss: float
    seconds_per_step: float


@dataclass(frozen=True)
class TrainingDone:
    """Training `key` is stored; `seconds` it took, all its runs together."""

    key: str
    seconds: float


@dataclass(frozen=True)
class Searching:
    """CRF parameters for an evaluation of training `key`: `done` combinations are tried, of at most `of`."""

    key: str
    done: int
    of: int


@dataclass(frozen=True)
class EvaluationDone:
    """Evaluation `key` of training `training` is stored; `metrics` by name, in [0, 1]."""

    key: str
    training: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Failed:
    """Training or evaluation `key` failed; `reason` is one line."""

    key: str
    reason: str


@dataclass(frozen=True)
class Stopped:
    """Training `key` stopped because it was asked to; it goes on from its checkpoint next time."""

    key: str


@dataclass(frozen=True)
class Waiting:
    """Training `key` is being worked on by another run on the same store."""

    key: str


@dataclass(frozen=True)
class Computed:
    """What a job that trains nothing came to; `key` is the job's."""

    key: str
    result: Any


@dataclass(frozen=True)
class Message:
    """A line for the user."""

    text: str


Event = (
    TrainingStarted
    | TrainingStep
    | TrainingDone
    | Searching
    | EvaluationDone
    | Failed
    | Stopped
    | Waiting
    | Computed
    | Message
)
