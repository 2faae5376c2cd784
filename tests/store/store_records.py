"""Records as trainings and evaluations leave them, small."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro.store.store import Record, Store

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
CODE = {"digest": "c0", "modules": {"repro.nets.resnet": "a1", "repro.train.loop": "b1"}}


def training(seed: int = 0, **other: Any) -> dict[str, Any]:
    """Return what the training of a seed hands to `put`."""
    curve = {"step": [1, 2], "loss": [2.5, 0.1], "lr": [0.007, 0.0]}
    record: dict[str, Any] = {
        "task": "segment", "config": {"model": {"multi_grid": [1, 2, 1]}, "train": {"lr": 0.007}}, "seed": seed,
        "parent": None, "data_fingerprint": "d0", "code": CODE, "started": "2025-01-01T00:00:00+00:00", "seconds": 1.5,
        "environment": {"torch": "2.11.0"}, "result": {"final_loss": 0.1, "curve": curve},
    }  # fmt: skip
    return {**record, **other}


def evaluation(training_key: str, **other: Any) -> dict[str, Any]:
    """Return what an evaluation of `training_key` hands to `put`."""
    record: dict[str, Any] = {
        "training": training_key, "config": {"evaluate": {"output_stride": 8}}, "seed": 0, "data_fingerprint": "d0",
        "code": CODE, "started": "2025-01-01T00:00:00+00:00", "environment": {},
        "result": {"miou": 0.7, "class_iou": [0.9, None]},
    }  # fmt: skip
    return {**record, **other}


def writer(data: bytes) -> Callable[[Path], None]:
    """Return a function that writes `data` to the path it gets."""

    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def put_training(store: Store, key: str, seed: int = 0, weights: bytes = b"weights", **other: Any) -> Record:
    """Store a training under `key`."""
    return store.put("training", key, training(seed, **other), {"weights.safetensors": writer(weights)})


def python(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start `code` in a process of its own that finds the project and the helpers of these tests."""
    paths = os.pathsep.join((str(PROJECT), str(HERE)))
    return subprocess.Popen(
        [*before, sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
