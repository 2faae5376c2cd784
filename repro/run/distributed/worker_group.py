"""One training by several processes of this machine, each on a GPU of its own (or on the CPU, over Gloo).

The worker starts them through torchrun, hears of their progress and watches over them: where one fails all end, and
where none moves it says so.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, TextIO

import safetensors.torch
import torch

from repro.errors import InputError
from repro.run.distributed import heartbeat
from repro.run.distributed.ddp_worker import JOB, REST, STOP, WEIGHTS, OutOfStepError, writing
from repro.run.distributed.heartbeat import StallDetector, StalledError
from repro.run.job import Job
from repro.store.store import Store
from repro.train import checkpoint
from repro.train.context import Hooks
from repro.train.loop import BatchLayout, DivergedError, StoppedError, TrainingCurve
from repro.train.training import Trained

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 30.0
_LAST_LINES = 5
_AGAIN = 2
"""How often a worker group that stalls, or whose processes begin at different steps, is started again."""
_OTHERS = ("PET_", "TORCHELASTIC_")
"""Beginnings of environment variables by which somebody else's torchrun is configured. Inherited from a cluster's
launcher, PET_NNODES=2 would have this one wait for a second machine."""
_TOLD_TO_END = f"got signal: {signal.SIGTERM.value}"
"""What torchrun says last when it was sent SIGTERM."""


class WorkerGroupError(Exception):
    """A process of the worker group failed; the text says how."""


def train_distributed(job: Job, store: Store, device: str, hooks: Hooks) -> Trained:
    """Do the training of a job with `job.execution.processes` processes.

    `device`: "cpu", "cuda", or "cuda:0,1" for certain GPUs. `hooks.folder` must be given. Raises what `train` raises,
    and WorkerGroupError.
    """
    assert hooks.folder is not None
    settings, processes = job.training.settings, job.execution.processes
    if settings.batch_size % processes:
        raise InputError(
            f"--gpus-per-training {processes}: a batch of {settings.batch_size} images cannot be parted evenly "
            f"among so many. Choose a divisor of {settings.batch_size}."
        )
    again = 0
    while True:
        worker_group = _WorkerGroup(job, store, device, hooks)
        try:
            return worker_group.run()
        except (StalledError, OutOfStepError) as error:
            again += 1
            if again > _AGAIN:
                raise WorkerGroupError(f"{error} (after {again} attempts)") from None
            hooks.tell(f"{error}. Going on from the last checkpoint.")
        await_checkpoint_writer(job, store, hooks)


def await_checkpoint_writer(job: Job, store: Store, hooks: Hooks) -> None:
    """Wait until no process of an earlier worker group writes checkpoints of this training any more.

    The processes of a group end with their worker, but a moment later, and the worker's lock ends with it at once:
    whoever takes the training over would read checkpoints that change meanwhile. Raises StoppedError if asked to stop.
    """
    told = False
    while True:
        with store.try_lock(writing(job)) as free:
            if free:
                return
        if not told:
            hooks.tell("processes of an earlier run still write this training's checkpoint; waiting until they end")
            told = True
        if hooks.should_stop():
            raise StoppedError("stopped while processes of an earlier run still wrote this training's checkpoint")
        time.sleep(_POLL_SECONDS)


class _WorkerGroup:
    """The processes of one attempt."""

    def __init__(self, job: Job, store: Store, device: str, hooks: Hooks) -> None:
        assert hooks.folder is not None
        self.job, self.store, self.device, self.hooks = job, store, device, hooks
        self.above = hooks.folder
        # a folder of its own: what processes of an earlier attempt leave, or what cannot be removed, is not this one's
        self.folder = hooks.folder / f"workers-{os.getpid()}-{secrets.token_hex(4)}"
        self.trouble: Exception | None = None

    def run(self) -> Trained:
        checkpoint.load(self.above, self.hooks.tell)  # sets damaged ones aside, so that all find the same
        for old in self.above.glob("workers-*"):
            shutil.rmtree(old, ignore_errors=True)
        self.folder.mkdir(parents=True)
        told = (self.job, Store(self.store.root), self.hooks.checkpoint_steps)
        (self.folder / JOB).write_bytes(pickle.dumps(told))
        with (self.folder / "stderr.txt").open("w") as errors:
            # a session of its own: a terminal's Ctrl-C is for the program, which asks for a stop with a checkpoint
            process = subprocess.Popen(
                self._command(),
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                env=self._env(),
                start_new_session=True,
            )
            try:
                self._watch(process)
            finally:
                end(process)
        if (self.folder / REST).exists():
            return self._trained()
        raise self._failure(process.returncode)

    def _command(self) -> Sequence[str]:
        torchrun = (sys.executable, "-m", "repro.run.distributed.launcher", str(os.getpid()), "--standalone")
        place = ("--local-addr", "localhost")  # else the machine's full name, which many clusters don't resolve
        count = ("--nnodes", "1", "--nproc-per-node", str(self.job.execution.processes))
        kind = self.device.partition(":")[0]
        return (
            *torchrun,
            *place,
            *count,
            "--module",
            "repro.run.distributed.ddp_worker",
            str(self.folder.resolve()),
            kind,
        )

    def _env(self) -> dict[str, str]:
        env = {"OMP_NUM_THREADS": "1", **{k: v for k, v in os.environ.items() if not k.startswith(_OTHERS)}}
        # Gloo would ask for this machine's name and listen there: a name that resolves slowly, or to an address that
        # cannot be reached from here, has the processes wait for each other
        if "GLOO_SOCKET_IFNAME" not in env and (own := _loopback()):
            env["GLOO_SOCKET_IFNAME"] = own
        kind, _, numbers = self.device.partition(":")
        if kind == "cuda" and numbers:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            names = seen.split(",") if seen else None
            env["CUDA_VISIBLE_DEVICES"] = ",".join(names[int(n)] if names else n for n in numbers.split(","))
        return env

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Pass on what the first process tells, until torchrun ends; hand on the wish to stop; see that they move."""
        assert process.stdout is not None
        listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        listener.start()
        name = f"training {self.job.label or self.job.training.key[:8]}"
        stall_detector = StallDetector(name, self.job.execution.processes, self.hooks.tell)
        look, done = time.monotonic(), None
        while process.poll() is None and self.trouble is None:
            if self.hooks.should_stop():
                (self.folder / STOP).touch()
            if (now := time.monotonic()) >= look:
                look = now + heartbeat.HEARTBEAT_SECONDS
                if (self.folder / REST).exists():
                    done = done or now  # all is there, but for torchrun's own end
                    if now - done > _GRACE_SECONDS:
                        break
                else:
                    stall_detector.look(heartbeat.read(self.folder))
            time.sleep(_POLL_SECONDS)
        if process.poll() is not None:
            listener.join(_GRACE_SECONDS)
        if self.trouble is not None and not (self.folder / REST).exists():
            raise self.trouble

    def _listen(self, lines: TextIO) -> None:
        """Until the last line, whatever happens: where nobody reads, the processes wait as soon as the pipe is full."""
        told = {"start": self.hooks.on_start, "step": self.hooks.on_step, "tell": self.hooks.tell}
        for line in lines:
            try:
                name, *words = json.loads(line)
                heard: Any = told[name]
            except (ValueError, KeyError, TypeError):
                continue  # something else that a library printed
            try:
                heard(*words)
            except Exception as error:  # a full disk under TensorBoard's files, say: the watching thread raises it
                self.trouble = self.trouble or error

    def _trained(self) -> Trained:
        rest = json.loads((self.folder / REST).read_text())
        rest |= {"curve": TrainingCurve(**rest["curve"]), "layouts": [BatchLayout(**one) for one in rest["layouts"]]}
        return Trained(state=dict(safetensors.torch.load_file(self.folder / WEIGHTS)), **rest)

    def _failure(self, code: int) -> Exception:
        """The exception for what the processes left: what one of them alone met counts before what all met."""
        words = [json.loads(path.read_text()) for path in sorted(self.folder.glob("word-*.json"))]
        by_kind = {word["kind"]: word for word in reversed(words)}
        kinds = {"input": InputError, "memory": torch.OutOfMemoryError, "diverged": DivergedError}
        for kind, type_ in kinds.items():
            if kind in by_kind:
                return type_(by_kind[kind]["text"])
        if "space" in by_kind:
            return OSError(errno.ENOSPC, by_kind["space"]["text"])
        if "apart" in by_kind:
            return OutOfStepError(by_kind["apart"]["text"])
        if "error" in by_kind:
            silent = self.job.execution.processes - len(words)
            first = (
                f"{silent} of {self.job.execution.processes} processes died without a word (killed?); "
                if silent
                else ""
            )
            return WorkerGroupError(f"{first}{by_kind['error']['type']}: {by_kind['error']['text']}")
        if "stopped" in by_kind:
            return StoppedError(by_kind["stopped"]["text"])
        last = (self.folder / "stderr.txt").read_text(errors="replace").strip().splitlines()[-_LAST_LINES:]
        if code == -signal.SIGTERM or _TOLD_TO_END in " ".join(last):
            # before its processes could hear of it: a cluster's SIGTERM goes to all of a job
            return StoppedError("torchrun was told to end (SIGTERM)")
        return WorkerGroupError(f"torchrun ended with exit code {code}: {' / '.join(last)}")


def _loopback() -> str | None:
    """The name of this machine's loopback interface, `lo` or `lo0`; None where it has another."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in ("lo", "lo0") if name in names), None)


def end(process: subprocess.Popen[str]) -> None:
    """End torchrun, which ends its processes; kill it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
