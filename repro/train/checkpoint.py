"""Checkpoints of a running training: whole or absent, never half.

Random numbers depend on (seed, purpose, step), so a checkpoint needs no generator state: the step, the network with
its batch-normalisation statistics, the optimiser and the notes of the run are everything.

    <folder>/step-00000120/network.safetensors   weights and statistics
                           optimizer.pt          the optimiser's state, read without running code from it
                           progress.json         step, notes, checksums of the other two
             damaged-step-00000120/              one that did not match its checksums, with damaged.txt saying why

The two newest are kept: when the newest is damaged, the training goes on from the one before; when both are, it begins
again; either is told. All go once the training's record is stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

KEPT = 2
_NETWORK, _OPTIMIZER, _PROGRESS = "network.safetensors", "optimizer.pt", "progress.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps; `notes` is what JSON can hold of the run so far."""

    step: int
    network: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    notes: Mapping[str, Any]


def found(folder: Path) -> list[Path]:
    """The checkpoints in a training's folder, newest first, looked at by name only."""
    return sorted(folder.glob("step-*[0-9]"), reverse=True)


def save(folder: Path, state: Checkpoint) -> None:
    """Write a checkpoint aside, bring it onto the disk, move it into place in one step; remove all but the newest."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"step-{state.step:08d}"
    aside = folder / f"{place.name}.{os.getpid()}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in state.network.items()}
        safetensors.torch.save_file(whole, aside / _NETWORK)
        torch.save(dict(state.optimizer), aside / _OPTIMIZER)
        sums = {name: _sha256(aside / name) for name in (_NETWORK, _OPTIMIZER)}
        (aside / _PROGRESS).write_text(json.dumps({"step": state.step, "notes": dict(state.notes), "sha256": sums}))
        for path in (*aside.iterdir(), aside):
            _sync(path)
        if place.exists():  # of an earlier run that was stopped at this very step: the same numbers
            shutil.rmtree(place)
        aside.rename(place)
        _sync(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in found(folder)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def load(folder: Path, tell: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint, on the CPU, or None; damaged ones are moved aside, `tell` hears of each."""
    for path in found(folder):
        try:
            return _read(path)
        except Exception as error:  # torch, safetensors and json raise many kinds; all mean the same here
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            _set_aside(path, reason)
            left = found(folder)
            then = f"the training goes on from {left[0].name}" if left else "the training begins again"
            tell(f"{path}: damaged checkpoint set aside ({reason}); {then}")
    return None


def _read(path: Path) -> Checkpoint:
    told = json.loads((path / _PROGRESS).read_text())
    for name, expected in told["sha256"].items():
        if _sha256(path / name) != expected:
            raise ValueError(f"{name} does not match its checksum")
    network = safetensors.torch.load_file(path / _NETWORK)
    optimizer = torch.load(path / _OPTIMIZER, map_location="cpu", weights_only=True)
    return Checkpoint(told["step"], network, optimizer, told["notes"])


def _set_aside(path: Path, reason: str) -> None:
    target = path.with_name(f"damaged-{path.name}")
    shutil.rmtree(target, ignore_errors=True)
    path.replace(target)
    (target / "damaged.txt").write_text(reason + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
