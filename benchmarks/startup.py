"""Start-up: seconds of the commands that train nothing, and of a second `run` of 200 stored evaluations.

Each command is a process of its own with one thread; the median of its CPU seconds counts, which is what the clock of
an idle machine shows, whatever else runs on this one (the clock's median stands beside). The floor is Python itself
with this machine's site-packages. The run's work is its time less that of `repro --help`.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from repro.plan.plan import Plan
from repro.run import session
from repro.run.session import Options
from repro.store.store import Store

from .turns import Row

TURNS = 5
GOALS = {"--help": 0.3, "list": 0.3, "show v3/table3": 0.5, "plan v3/table3 --scale tiny": 0.5}
RUN = "run v3/table3 --scale tiny --seeds 10"


def bench(device: str) -> list[Row]:
    """A row for Python, each command, and the second run."""
    del device
    with tempfile.TemporaryDirectory() as folder:
        commands = {words: repro(words) for words in (*GOALS, "plan all --scale paper")}
        stored(Path(folder) / "runs")
        second = repro(f"{RUN} --store {folder}/runs --out {folder}/reports")
        told = subprocess.run(second, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stderr
        if "trained in" in told:
            raise RuntimeError("the run was to find everything stored")
        took = timed({"python": [sys.executable, "-c", "pass"], **commands, RUN: second}, folder)
    floor = statistics.median(cpu for _, cpu in took["python"])
    rows = []
    for words, each in took.items():
        clock, cpu = (statistics.median(values) for values in zip(*each, strict=True))
        goal = GOALS.get(words)
        met = None if goal is None else cpu < goal
        name = words if words == "python" else f"repro {words}"
        told = {
            "floor": floor,
            "note": f"{clock:.2f} s on the clock",
            "goal": f"under {goal} s" if goal else "",
            "met": met,
        }
        rows.append(Row(name, cpu, "s", **told))  # type: ignore[arg-type]
    work = statistics.median(run[1] - start[1] for run, start in zip(took[RUN], took["--help"], strict=True))
    rows.append(Row("second run of 200 stored evaluations, work", work, "s", goal="under 0.5 s", met=work < 0.5))
    return rows


def repro(words: str) -> list[str]:
    """The command's argument list."""
    return [sys.executable, "-m", "repro", *words.split()]


def environment() -> dict[str, str]:
    """This process's, with its own modules and no thread pools."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}


def timed(commands: dict[str, list[str]], folder: str, turns: int = TURNS) -> dict[str, list[tuple[float, float]]]:
    """(clock, CPU) seconds of each command, turn by turn, after one turn to warm up."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(turns + 1):
        for name, command in commands.items():
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=True)
            clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn:
                took[name].append((clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return took


def stored(root: Path, seeds: int = 10) -> Plan:
    """A store with made-up records for every training and evaluation of RUN, or of so many seeds."""
    store = Store(root)
    store.prepare()
    options = Options(("v3/table3",), "tiny", seeds, store=root)
    plan = session.make_plan(options, session.load(options), store)
    rng = np.random.default_rng(0)
    for key, training in plan.trainings.items():
        record = {**training.identity(), "parent": training.parent.key if training.parent else None}
        result = {"iterations": 1, "final_loss": 1.0, "images_per_second": 1.0, "parameters": 1}
        curve = {"step": [0], "loss": [1.0], "lr": [0.1]}
        store.put("training", key, {**record, **provenance(), "result": {**result, "curve": curve}}, {})
    for key, evaluation in plan.evaluations.items():
        matrices = rng.integers(0, 50, (120, 9, 9)).astype(np.int32)
        names = np.array([f"val-{k:05d}" for k in range(120)])

        def confusion(path: Path, matrices: np.ndarray = matrices, names: np.ndarray = names) -> None:
            np.savez_compressed(path, matrices=matrices, names=names)

        def pictures(path: Path, names: np.ndarray = names) -> None:
            maps = {name: np.zeros((4, 129, 129), dtype=np.uint8) for name in ("truth", "prediction")}
            np.savez_compressed(path, image=np.zeros((4, 129, 129, 3), dtype=np.uint8), names=names[:4], **maps)

        files = {"confusion.npz": confusion, "pictures.npz": pictures}
        record = {**evaluation.identity(), "training": evaluation.training.key, "seed": evaluation.training.seed}
        result = {"metrics": {"miou": 0.1}, "class_iou": [0.1] * 9, "images": 120, "images_per_second": 1.0}
        store.put("evaluation", key, {**record, **provenance(), "result": result}, files)
    return plan


def provenance() -> dict[str, object]:
    """What every record says of how it was made."""
    return {"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "environment": {"device": "none: made up"}}
