"""What a stored result is a result of: protocol, images and weights, environment, in a form that files can keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from repro.plan.plan import PlannedCell

DIGITS = 20


def digest(data: bytes, digits: int) -> str:
    """Return the first hex digits of a SHA-256."""
    return hashlib.sha256(data).hexdigest()[:digits]


def data_of(planned: PlannedCell) -> str:
    """Return a digest of everything that a cell's trainings and evaluation read: images, and files of weights."""
    evaluation = next(iter(planned.evaluations.values()))
    chain = evaluation.training.chain()
    prints = [
        *(training.images.fingerprint for training in chain),
        *(training.weights for training in chain if training.weights),
    ]
    return digest("/".join([*prints, evaluation.images.fingerprint]).encode(), DIGITS)


def common_protocol(protocols: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the keys, with their value, on which all of these agree."""
    first, *others = [*protocols] or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def environments_in_words(environments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return key -> value, all values joined where results differ; without the state of the code."""
    values_by_key: dict[str, dict[str, None]] = {}
    for environment in environments:
        for key, value in environment.items():
            if value is not None and key not in ("commit", "modified"):
                values_by_key.setdefault(key, {})[str(value)] = None
    return {key: " / ".join(values) for key, values in values_by_key.items()}
