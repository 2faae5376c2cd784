"""Probes computed by worker processes, or in this one; as usual, and with other rounding."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from repro.regression.probe import Probe
from repro.regression.quantity import Observation
from repro.run.executors.worker import THREAD_VARIABLES
from repro.run.rounding import OTHER_KERNELS, environment_variables
from repro.store.store import Store

EXECUTE = "repro.regression.worker:execute"
"""What a check's workers execute, as executors name it."""
RoundingMode = Literal["usual", "last bits", "float64"]


@dataclass(frozen=True)
class ObserveTask:
    """A probe with the file of its frozen weights, their names there, and how it is computed."""

    probe: Probe
    weights: Path
    states: tuple[str, ...]
    data_root: Path | None = None
    mode: RoundingMode = "usual"
    draw: int = 0
    """Of last bits."""
    threads: int = 1

    @property
    def key(self) -> str:
        """What it is called as a job of a run."""
        identity = f"{self.weights.resolve()} {self.probe.name}"
        return f"frozen-{hashlib.sha256(identity.encode()).hexdigest()[:20]}"


@dataclass(frozen=True)
class Rounding:
    """Another way to round, for the same probes."""

    description: str
    mode: RoundingMode = "usual"
    threads: int = 1
    variables: tuple[tuple[str, str], ...] = ()
    """Of the environment, by which kernels are chosen."""


def roundings() -> list[Rounding]:
    """Those that can be had on this machine."""
    variants = [
        Rounding("weights moved by their last bit", "last bits"),
        Rounding("forward and backward passes in float64", "float64"),
        Rounding("two threads", threads=2),
    ]
    if platform.machine().lower() in ("x86_64", "amd64"):
        variants.append(Rounding("other kernels", variables=tuple(OTHER_KERNELS.items())))
    return variants


@dataclass(frozen=True)
class _OwnPlace(Store):
    """A store for one probe, with another one's prepared data sets."""

    shared: Path = Path()

    @property
    def cache(self) -> Path:
        return self.shared


Result = Observation | str
"""What was seen, or in one line why nothing was."""


def compute(
    tasks: Sequence[ObserveTask], store: Store, workers: int, variables: Mapping[str, str] | None = None
) -> list[Result]:
    """Compute probes, `workers` at a time; one is this process itself, unless `variables` choose other kernels."""
    if workers == 1 and not variables:
        return [work(task, store) for task in tasks]
    return in_processes(tasks, store, workers, variables or {})


def compute_rounded(
    tasks: Sequence[ObserveTask], store: Store, workers: int
) -> tuple[list[Result], list[tuple[Rounding, list[Result]]]]:
    """Compute probes in the usual way, and once more in each of the other roundings."""
    here = [rounding for rounding in roundings() if not rounding.variables]
    variants = [Rounding("usual"), *here]
    every = [replace(task, mode=rounding.mode, threads=rounding.threads) for rounding in variants for task in tasks]
    observed = compute(every, store, workers)
    parts = [observed[k : k + len(tasks)] for k in range(0, len(observed), len(tasks))]
    others = list(zip(here, parts[1:], strict=True))
    for rounding in roundings():
        if rounding.variables:
            others.append((rounding, compute(tasks, store, workers, dict(rounding.variables))))
    return parts[0], others


def in_processes(
    tasks: Sequence[ObserveTask], store: Store, workers: int, variables: Mapping[str, str]
) -> list[Result]:
    """Compute `tasks` in new processes with these environment variables."""
    environment = {**variables, **dict.fromkeys(THREAD_VARIABLES, "1")}
    with environment_variables(environment), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, tasks, repeat(store)))


def work(task: ObserveTask, store: Store) -> Result:
    """One probe in this process."""
    import torch

    from repro.regression import observe

    before = torch.get_num_threads()
    torch.set_num_threads(task.threads)
    try:
        with store.temporary_folder("frozen") as folder:
            place = _OwnPlace(folder, store.warn, store.cache)
            how = (task.data_root, task.mode, task.draw)
            return observe.observe(task.probe, task.weights, task.states, place, *how)
    except Exception as error:  # whatever a change of the code has broken: it is this probe's failure
        return f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        torch.set_num_threads(before)
