"""Checkpoints of a running training: whole or absent, never half.

Random numbers depend on (seed, purpose, step), so a checkpoint needs no generator state: the step, the network with
its batch-normalisation statistics, the optimiser and the notes of the run are everything.

    <folder>/step-00000120/network.safetensors   weights and statistics
                           optimizer.pt          the optimiser's state, read without running code from it
                           progress.json         step, notes, checksums of the other two and its own
             damaged-step-00000120/              one that did not match its checksums, with damaged.txt saying why

The two newest are kept: when the newest is damaged, the training goes on from the one before; when both are, it begins
again; either is told. All go once the training's record is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from repro.files import Damaged, digest, read, remove, seal, sync, temporary_folder, unreadable, unseal, write

KEPT = 2
_NETWORK, _OPTIMIZER, _PROGRESS = "network.safetensors", "optimizer.pt", "progress.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps; `notes` is what JSON can hold of the run so far."""

    step: int
    network: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    notes: Mapping[str, Any]


def saved(folder: Path) -> list[Path]:
    """The checkpoints in a training's folder, newest first, looked at by name only."""
    return sorted(folder.glob("step-*[0-9]"), reverse=True)


def save(folder: Path, state: Checkpoint) -> None:
    """Write a checkpoint aside, bring it onto the disk, move it into place in one step; remove all but the newest."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / _name(state.step)
    with temporary_folder(place) as temporary:
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in state.network.items()}
        safetensors.torch.save_file(whole, temporary / _NETWORK)
        with open(
            temporary / _OPTIMIZER, "wb"
        ) as file:  # by its path torch writes in C++, and says not why it could not
            torch.save(dict(state.optimizer), file)
        files = {name: digest(temporary / name) for name in (_NETWORK, _OPTIMIZER)}
        write(temporary / _PROGRESS, seal({"step": state.step, "notes": dict(state.notes), "files": files}))
        for path in (*temporary.iterdir(), temporary):
            sync(path)
        remove(place)  # of an earlier run that was stopped at this very step: the same numbers
        temporary.rename(place)
        sync(folder)
    for old in saved(folder)[KEPT:]:
        remove(old)


def load(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint, on the CPU, or None; damaged ones are moved aside, `tell` hears of each."""
    for path in saved(folder):
        try:
            return _read(path)
        except Exception as error:  # torch, safetensors and json raise many kinds; most mean the same here
            if isinstance(error, MemoryError) or (isinstance(error, OSError) and not unreadable(error)):
                raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            _set_aside(path, reason)
            left = saved(folder)
            then = f"the training goes on from {left[0].name}" if left else "the training begins again"
            warn(f"{path}: damaged checkpoint set aside ({reason}); {then}")
    return None


def _read(path: Path) -> Checkpoint:
    try:
        progress = unseal(read(path / _PROGRESS))
    except Damaged as error:
        raise Damaged(f"{_PROGRESS} {error}") from None
    for name, expected in progress["files"].items():
        if digest(path / name) != expected:
            raise Damaged(f"{name} does not match its checksum")
    if path.name != _name(progress["step"]):
        raise Damaged(f"it is of step {progress['step']}")
    network = safetensors.torch.load_file(path / _NETWORK)
    optimizer = torch.load(path / _OPTIMIZER, map_location="cpu", weights_only=True)
    return Checkpoint(progress["step"], network, optimizer, progress["notes"])


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _set_aside(path: Path, reason: str) -> None:
    """Move a checkpoint where none is looked for; remove it where that can't be done."""
    target = path.with_name(f"damaged-{path.name}")
    remove(target)
    with suppress(OSError):
        path.replace(target)
        if not target.is_symlink():
            (target / "damaged.txt").write_text(reason + "\n")
    remove(path)
