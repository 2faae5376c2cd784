"""One training by several processes of this machine, each on a GPU of its own (or on the CPU, over Gloo).

The worker starts them through torchrun, hears of their progress and watches over them: where one fails all end, and
where memory was short all begin again from the last checkpoint with half the images at once.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TextIO

import safetensors.torch
import torch

from repro.errors import InputError
from repro.run.job import Job
from repro.run.rank import JOB, REST, STOP, WEIGHTS
from repro.store.store import Store
from repro.train import checkpoint
from repro.train.loop import Curve, DivergedError, Hooks, Layout, StoppedError
from repro.train.training import Trained, halved, short_of_memory

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30.0
_LAST_LINES = 5
_TOLD_TO_END = f"got signal: {signal.SIGTERM.value}"
"""What torchrun says last when it was sent SIGTERM."""


class CrewError(Exception):
    """A process of the crew failed; the text says how."""


def train_together(job: Job, store: Store, device: str, hooks: Hooks) -> Trained:
    """Do the training of a job with `job.way.processes` processes.

    `device`: "cpu", "cuda", or "cuda:0,1" for certain GPUs. `hooks.folder` must be given. Raises what `train` raises,
    and CrewError.
    """
    assert hooks.folder is not None
    settings = job.training.settings
    share = settings.batch_size // job.way.processes
    if share * job.way.processes != settings.batch_size:
        raise InputError(
            f"--gpus-per-training {job.way.processes}: a batch of {settings.batch_size} images cannot be parted evenly "
            f"among so many. Choose a divisor of {settings.batch_size}."
        )
    while True:
        crew = _Crew(job, store, device, hooks)
        try:
            return crew.run()
        except torch.OutOfMemoryError as error:
            micro_batch = halved(min(job.way.micro_batch or share, share), error)
        hooks.tell(short_of_memory(micro_batch))
        job = replace(job, way=replace(job.way, micro_batch=micro_batch))


class _Crew:
    """The processes of one attempt."""

    def __init__(self, job: Job, store: Store, device: str, hooks: Hooks) -> None:
        assert hooks.folder is not None
        self.job, self.store, self.device, self.hooks = job, store, device, hooks
        self.folder = hooks.folder / "crew"

    def run(self) -> Trained:
        assert self.hooks.folder is not None
        checkpoint.load(self.hooks.folder, self.hooks.tell)  # sets damaged ones aside, so that all find the same
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        told = (self.job, Store(self.store.root), self.hooks.checkpoint_steps)
        (self.folder / JOB).write_bytes(pickle.dumps(told))
        with (self.folder / "stderr.txt").open("w") as errors:
            # a session of its own: a terminal's Ctrl-C is for the program, which asks for a stop with a checkpoint
            process = subprocess.Popen(
                self._command(),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=self._env(),
                start_new_session=True,
            )
            try:
                self._watch(process)
            finally:
                end(process)
        if process.returncode == 0 and (self.folder / REST).exists():
            return self._trained()
        raise self._failure(process.returncode)

    def _command(self) -> Sequence[str]:
        torchrun = (sys.executable, "-m", "repro.run.launcher", str(os.getpid()), "--standalone")
        place = ("--local-addr", "localhost")  # else the machine's full name, which many clusters don't resolve
        count = ("--nproc-per-node", str(self.job.way.processes))
        kind = self.device.partition(":")[0]
        return (*torchrun, *place, *count, "--module", "repro.run.rank", str(self.folder.resolve()), kind)

    def _env(self) -> dict[str, str]:
        env = {"OMP_NUM_THREADS": "1", **os.environ}
        kind, _, numbers = self.device.partition(":")
        if kind == "cuda" and numbers:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            names = seen.split(",") if seen else None
            env["CUDA_VISIBLE_DEVICES"] = ",".join(names[int(n)] if names else n for n in numbers.split(","))
        return env

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Pass on what the first process tells, until torchrun ends; hand on the wish to stop."""
        assert process.stdout is not None
        listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        listener.start()
        while process.poll() is None:
            if self.hooks.should_stop():
                (self.folder / STOP).touch()
            time.sleep(_POLL_SECONDS)
        listener.join(_GRACE_SECONDS)

    def _listen(self, lines: TextIO) -> None:
        told = {"start": self.hooks.on_start, "step": self.hooks.on_step, "tell": self.hooks.tell}
        for line in lines:
            try:
                name, *words = json.loads(line)
                heard: Any = told[name]
            except (ValueError, KeyError, TypeError):
                continue  # something else that a library printed
            heard(*words)

    def _trained(self) -> Trained:
        rest = json.loads((self.folder / REST).read_text())
        rest |= {"curve": Curve(**rest["curve"]), "layouts": [Layout(**one) for one in rest["layouts"]]}
        return Trained(state=dict(safetensors.torch.load_file(self.folder / WEIGHTS)), **rest)

    def _failure(self, code: int) -> Exception:
        """The exception for what the processes left: what one of them alone met counts before what all met."""
        words = [json.loads(path.read_text()) for path in sorted(self.folder.glob("word-*.json"))]
        by_kind = {word["kind"]: word for word in reversed(words)}
        kinds = {"input": InputError, "memory": torch.OutOfMemoryError, "diverged": DivergedError}
        for kind, type_ in kinds.items():
            if kind in by_kind:
                return type_(by_kind[kind]["text"])
        if "error" in by_kind:
            silent = self.job.way.processes - len(words)
            first = f"{silent} of {self.job.way.processes} processes died without a word (killed?); " if silent else ""
            return CrewError(f"{first}{by_kind['error']['type']}: {by_kind['error']['text']}")
        if "stopped" in by_kind:
            return StoppedError(by_kind["stopped"]["text"])
        last = (self.folder / "stderr.txt").read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
        if code == -signal.SIGTERM or _TOLD_TO_END in " ".join(last):
            # before its processes could hear of it: a cluster's SIGTERM goes to all of a job
            return StoppedError("torchrun was told to end (SIGTERM)")
        return CrewError(f"torchrun ended with exit code {code}: {' / '.join(last)}")


def end(process: subprocess.Popen[str]) -> None:
    """End torchrun, which ends its processes; kill it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
