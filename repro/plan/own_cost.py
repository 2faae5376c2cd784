"""What a network costs that is not laid out in `repro.plan.layers`: counted once as built, remembered for its code."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import InputError
from repro.files import Damaged, read, seal, unseal, write
from repro.memo import default_folder
from repro.plan.chain import with_network
from repro.plan.code import closure
from repro.plan.work import Evaluation, Training
from repro.spec.protocol import Model

SIDES = (65, 97, 129)
"""Pixels of the square images that are counted. A map at stride s has (side - 1) / s + 1 pixels a side, so that up to
stride 32 every count is a polynomial of degree 2 in the side: three of them tell all others."""


COUNT = "repro.nets.count"
"""The program that counts."""


@dataclass(frozen=True)
class OwnCost:
    """Of a network as built."""

    multiply_adds: tuple[float, ...]
    """On an image of each of SIDES."""
    kept: tuple[float, ...]
    """Numbers that a training keeps for its backward pass, likewise."""
    parameters: int
    weights: str
    """Digest of the names and shapes of a checkpoint."""


def at_size(counts: Sequence[float], height: int, width: int) -> float:
    """Return from the counts at SIDES that of an image; one that is not square counts as the square of its area."""
    side = math.sqrt(height * width)
    total = 0.0
    for here, count in zip(SIDES, counts, strict=True):
        others = [other for other in SIDES if other != here]
        total += count * math.prod((side - other) / (here - other) for other in others)
    return total


@dataclass(frozen=True)
class _Build:
    """One call of the function, with what its answer depends on."""

    code: str
    model: Model
    output_stride: int
    classes: int

    def query(self) -> dict[str, Any]:
        """What `repro.nets.count` is asked."""
        model = self.model.model_dump(mode="json")
        return {"model": model, "classes": self.classes, "output_stride": self.output_stride, "sides": SIDES}

    def file(self) -> Path:
        """Where the user's cache keeps the answer."""
        identity = json.dumps([self.code, self.query()], sort_keys=True)
        return default_folder() / "networks" / f"{hashlib.sha256(identity.encode()).hexdigest()[:20]}.json"


_known: dict[_Build, OwnCost] = {}
"""Of this process."""


def own_cost(model: Model, output_stride: int, classes: int) -> OwnCost:
    """Return the cost of a network as built. Raises InputError where it cannot be built or used."""
    build = _build(model, output_stride, classes)
    _learn([build])
    return _known[build]


def check_own(evaluations: Iterable[Evaluation], name_of: Callable[[Training], str]) -> None:
    """Build what evaluations and their trainings need of networks of one's own, before any begins.

    Raises InputError where one cannot be built or used, or where weights of one output stride do not fit another.
    """
    builds: dict[_Build, str] = {}
    pairs = []
    for evaluation in evaluations:
        training = evaluation.training
        if not training.model.own:
            continue
        classes, name = training.images.data.classes, name_of(training)
        tested = _build(training.model, evaluation.evaluate.output_stride, classes)
        chain = [_build(t.model, t.settings.output_stride, t.images.data.classes) for t in training.chain()]
        builds.update({build: builds.get(build, name) for build in (*chain, tested)})
        pairs += [(b, tested, name) for b in chain if (b.classes, b.model) == (classes, tested.model)]
    _learn(builds, builds.get)
    for learned, tested, name in pairs:
        if _known[learned].weights != _known[tested].weights:
            first, second = learned.output_stride, tested.output_stride
            key, own = tested.model.own or ("", "")
            check = f"repro check-network {own.partition(' ')[0]} --output-strides {first},{second}"
            raise InputError(
                f"{name}: {key}: {own} has other parameters at output stride {second} than at {first}: "
                f"weights do not fit. `{check}` names them."
            )


def _build(model: Model, output_stride: int, classes: int) -> _Build:
    return _Build(with_network(closure([COUNT]), model).digest, model, output_stride, classes)


def _learn(builds: Iterable[_Build], name_of: Callable[[_Build], str | None] = lambda _build: None) -> None:
    """Fill `_known`: from the user's cache, else by one process that counts all that lack."""
    lacking = []
    for build in builds:
        if build not in _known:
            with suppress(OSError, Damaged, ValueError, TypeError):
                _known[build] = OwnCost(**unseal(read(build.file())))
        if build not in _known:
            lacking.append(build)
    if not lacking:
        return
    for build, answer in zip(lacking, _counted([build.query() for build in lacking]), strict=True):
        if "error" in answer:
            name = name_of(build)
            raise InputError(f"{name}: {answer['error']}" if name else answer["error"])
        cost = _known[build] = OwnCost(**answer)
        with suppress(OSError):
            build.file().parent.mkdir(parents=True, exist_ok=True)
            write(build.file(), seal(vars(cost)), durable=False)


def _counted(query: list[dict[str, Any]]) -> list[dict[str, Any]]:
    path = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", COUNT],
        input=json.dumps(query),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
        raise InputError(f"model: the network could not be counted: {last}")
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers
