"""Checkpoints of a running training: whole or absent, never half.

Random numbers depend on (seed, purpose, step), so a checkpoint needs no generator state: the step, the network with
its batch-normalisation statistics, the optimiser and the curve so far are everything.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

NAME = "checkpoint.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Write `state` (tensors, numbers, strings, lists, dicts) aside, then move it into place."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{NAME}.{os.getpid()}.part"
    with aside.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / NAME)


def load(folder: Path) -> dict[str, Any] | None:
    """The last complete checkpoint, or None; an unreadable one is moved aside and counts as none."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files; all mean the same here
        path.replace(folder / f"{NAME}.damaged")
        (folder / "damaged.txt").write_text(f"{type(error).__name__}: {error}\n")
        return None
    return dict(state)
