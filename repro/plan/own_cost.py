"""What a network of one's own costs: counted once from the built network, then remembered for its code."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from repro.errors import InputError
from repro.memo import default_folder
from repro.plan.code import closure
from repro.spec.implementation import locate
from repro.spec.protocol import Model


@dataclass(frozen=True)
class OwnCost:
    """Of a network that `model.implementation` builds."""

    multiply_adds: float
    """Per pixel of the image."""
    kept: float
    """Numbers that a training keeps for its backward pass, per pixel of the image."""
    parameters: int


@lru_cache(maxsize=256)
def own_cost(model: Model, output_stride: int, classes: int) -> OwnCost:
    """Return the cost of an implementation of one's own. Raises InputError where it cannot be built."""
    where = locate(model.implementation or "")
    asked = {"model": model.model_dump(mode="json"), "classes": classes, "output_stride": output_stride}
    code = closure([where.module], where.package).digest
    key = hashlib.sha256(json.dumps([code, asked], sort_keys=True).encode()).hexdigest()[:20]
    kept = default_folder() / "networks" / f"{key}.json"
    with suppress(OSError, ValueError, TypeError):
        return OwnCost(**json.loads(kept.read_text()))
    cost = _counted(asked)
    with suppress(OSError):
        _remember(kept, cost)
    return cost


def _counted(asked: dict[str, object]) -> OwnCost:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "repro.nets.count"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise InputError((done.stderr.strip().splitlines() or ["the network could not be counted"])[-1])
    return OwnCost(**json.loads(done.stdout))


def _remember(path: Path, cost: OwnCost) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        json.dump(vars(cost), file)
    os.replace(temporary, path)
