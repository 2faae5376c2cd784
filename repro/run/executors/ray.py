"""Jobs on a Ray cluster: an actor for each, with as many GPUs as its training takes, or one CPU.

Ray knows of lost machines: the job's actor dies with its machine, and the job is submitted again.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Sequence
from typing import Any

from repro.errors import InputError
from repro.run.executors.loop import Executor, JobHandle, Lost
from repro.run.executors.remote_job import work_here
from repro.run.executors.worker import THREAD_VARIABLES, End
from repro.run.progress.events import Event
from repro.store.store import Store

_CONNECT_SECONDS = 10.0


class Worker:
    """What a Ray actor does: one job in one thread, while others ask it for events and tell it to stop."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stop = threading.Event()

    def work(self, data: bytes, execute: str, store: Store, device: str, threads: int) -> End:
        """Execute a job."""
        return work_here(data, execute, store, device, threads, self._events.put, self._stop.is_set)

    def events(self) -> list[Event]:
        """The events since the last call."""
        new = []
        while not self._events.empty():
            new.append(self._events.get())
        return new

    def stop(self) -> None:
        """Ask the job to stop."""
        self._stop.set()


class RayJobHandle:
    """A job's actor."""

    def __init__(self, ray: Any, actor: Any, end: Any) -> None:
        self._ray, self._actor, self._end = ray, actor, end
        self._asked: Any = None
        self._begun = False

    def poll(self) -> Sequence[Event | End | Lost]:
        """New events; the last ones come before the end."""
        try:
            (ended, _) = self._ray.wait([self._end], timeout=0)
            if ended:
                end: End = self._ray.get(self._end)
                answer = self._ray.get(self._asked) if self._asked is not None else []
                return [*answer, *self._ray.get(self._actor.events.remote()), end]
            if self._asked is None:
                self._asked = self._actor.events.remote()
            (answered, _) = self._ray.wait([self._asked], timeout=0)
            if not answered:
                return []
            events: list[Event] = self._ray.get(self._asked)
            self._asked, self._begun = None, True
            return events
        except self._ray.exceptions.RayError as error:
            return [Lost(f"its machine or process was lost ({type(error).__name__})")]

    def stop(self) -> None:
        """Ask the job to stop; one that waits for room is withdrawn."""
        if self._begun:
            self._actor.stop.remote()
        else:
            self.kill()

    def kill(self) -> None:
        """End the actor, which frees its GPUs."""
        self._ray.kill(self._actor)


class RayExecutor(Executor):
    """The Ray cluster that RAY_ADDRESS names, one that runs on this machine, or a new one of this machine alone."""

    def __init__(self, execute: str, store: Store, kind: str, processes: int, jobs: int | None, threads: int) -> None:
        """`kind`: "auto", "cpu" or "cuda"; `processes` GPUs (or CPUs) for each job; `jobs` at a time (None: as many as
        the cluster has room for). Raises InputError where Ray or the GPUs are missing.
        """
        super().__init__(store)
        self._ray = imported()
        if not self._ray.is_initialized():
            try:
                _answers(os.environ.get("RAY_ADDRESS", ""))
                self._ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
            # nobody there, another version of Ray or Python, a token that it wants
            except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
                raise InputError(_not_joined(error)) from error
        gpus = int(self._ray.cluster_resources().get("GPU", 0))
        if kind == "cuda" and not gpus:
            raise InputError("--device cuda: no machine of the Ray cluster has a GPU. Use --device cpu.")
        self.device = "cuda" if gpus and kind != "cpu" else "cpu"
        self._arguments = (execute, Store(store.root.resolve()), self.device, threads)
        self._processes, self._jobs = processes, jobs
        if self._places() < 1:
            raise InputError(
                f"--gpus-per-training {processes}: no machine of the Ray cluster has so many "
                f"{'GPUs' if self.device == 'cuda' else 'CPUs'}. Ask for fewer."
            )
        count = {"num_gpus": processes, "num_cpus": 1} if self.device == "cuda" else {"num_cpus": processes}
        # lost actors are submitted again by this process, which knows what they have stored
        fixed = {"max_restarts": 0, "max_task_retries": 0, "max_concurrency": 4}
        env = {name: str(threads) for name in THREAD_VARIABLES}
        self._actor = self._ray.remote(Worker).options(**count, **fixed, runtime_env={"env_vars": env})

    def slots(self) -> int:
        """As many jobs as the machines that are alive can hold, at least one."""
        return self._jobs or max(self._places(), 1)

    def _places(self) -> int:
        name = "GPU" if self.device == "cuda" else "CPU"
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        return sum(int(node["Resources"].get(name, 0)) // self._processes for node in alive)

    def submit(self, key: str, data: bytes, after: JobHandle | None) -> RayJobHandle:  # noqa: ARG002
        """Start an actor for the job, on whichever machine has room."""
        actor = self._actor.remote()
        return RayJobHandle(self._ray, actor, actor.work.remote(data, *self._arguments))


def _answers(address: str) -> None:
    """OSError where nobody listens at `address` (host:port): Ray itself would ask on for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()


def _not_joined(error: Exception) -> str:
    named = os.environ.get("RAY_ADDRESS")
    which = f"the cluster at {named} (RAY_ADDRESS)" if named else "Ray"
    reason = " ".join(str(error).split())[:300].rstrip(".")
    return (
        f"--executor ray: {which} cannot be joined ({reason}). Check with `ray status` on this machine; its Ray and "
        "Python must be the cluster's."
    )


def imported() -> Any:
    """The ray package; InputError if it is not installed."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a coming change
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise InputError('--executor ray: Ray is not installed. Install it: pip install ".[ray]"') from None
    return ray
