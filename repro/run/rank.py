"""One of the processes that train a network together, as torchrun starts it: `python -m repro.run.rank FOLDER DEVICE`.

The first process tells of its progress in lines of JSON on stdout and leaves the weights in the folder; each process
that fails leaves a file saying why. All end with torchrun, and that with the worker. SIGTERM, which a cluster sends to
every process of a job that must go, is the wish to stop with a checkpoint.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from repro.errors import InputError
from repro.run.compute import compute
from repro.run.device import torch_device
from repro.run.launcher import LAUNCHER
from repro.run.parent import end_with
from repro.train.loop import DivergedError, Hooks, StoppedError
from repro.train.team import joined

JOB, STOP, WEIGHTS, REST = "job.pickle", "stop", "trained.safetensors", "trained.json"
_LOOK_SECONDS = 0.5


def main(folder: Path, device: str) -> int:
    """Train; the exit code, not 0 where this process failed."""
    end_with(int(os.environ[LAUNCHER]))
    signal.signal(signal.SIGTERM, lambda *_: _asked.__setitem__(0, True))
    job, store, checkpoint_steps = pickle.loads((folder / JOB).read_bytes())
    rank = int(os.environ["RANK"])
    try:
        # as a worker sets up its own GPU: the same arithmetic, and a word if there are fewer than processes
        place = torch_device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
        with joined(place) as team:
            hooks = _hooks(folder, checkpoint_steps) if team.leads else _silent(folder)
            trained = compute(job, store, place, hooks, team)
            if team.leads:
                safetensors.torch.save_file(trained.state, folder / WEIGHTS)
                rest = {k: v for k, v in asdict(trained).items() if k != "state"}
                (folder / REST).write_text(json.dumps(rest))
    except StoppedError as error:
        _leave_word(folder, rank, "stopped", error)
    except Exception as error:  # whatever it is, the process that started this one decides
        kinds = {torch.OutOfMemoryError: "memory", DivergedError: "diverged", InputError: "input"}
        kind = next((name for type_, name in kinds.items() if isinstance(error, type_)), "error")
        _leave_word(folder, rank, kind, error)
        return 1
    return 0


def _hooks(folder: Path, checkpoint_steps: int | None) -> Hooks:
    """The first process's: it alone is asked whether to stop, writes checkpoints and tells of steps."""
    looked = [0.0, False]

    def should_stop() -> bool:
        now = time.monotonic()
        if now - looked[0] > _LOOK_SECONDS:  # the folder may be on a network
            looked[:] = now, (folder / STOP).exists()
        return bool(looked[1]) or _asked[0]

    return Hooks(
        folder=folder.parent,
        checkpoint_steps=checkpoint_steps,
        on_start=lambda step: _tell("start", step),
        on_step=lambda step, loss, seconds: _tell("step", step, loss, seconds),
        should_stop=should_stop,
        tell=lambda text: _tell("tell", text),
    )


def _silent(folder: Path) -> Hooks:
    """The other processes': they read the checkpoint that the first one reads."""
    return Hooks(folder=folder.parent, tell=lambda _text: None)


_asked = [False]
"""Whether to stop, with a checkpoint: asked by SIGTERM, or since nobody listens any more."""


def _tell(*words: Any) -> None:
    try:
        print(json.dumps(words), flush=True)
    except BrokenPipeError:
        _asked[0] = True


def _leave_word(folder: Path, rank: int, kind: str, error: Exception) -> None:
    word = {"kind": kind, "text": str(error), "type": type(error).__name__, "traceback": traceback.format_exc()}
    aside = folder / f"word-{rank}.part"
    aside.write_text(json.dumps(word))
    aside.replace(folder / f"word-{rank}.json")


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: after a failure NCCL would wait at the interpreter's end for sums that the others never take part in
    os._exit(code)
