"""The whole suite: trainings against measured cells as seeds grow, GPU hours, how planning and reporting grow, records.

Hours are `repro plan`'s: multiply-adds over a rate (an assumed one where the GPU was not measured). 100,000 records are
read into a frame by another process, which must not have imported torch, once without the store's index, once with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from repro.plan.budget import budget
from repro.run import session
from repro.run.session import Options
from repro.store.record import encode
from repro.store.store import Store

from .startup import repro, stored, timed
from .turns import Row

SLOW = True
RECORDS = 100_000
GPU = "h200"
SEEDS = (10, 40)
READ = """
import sys, time
began = time.perf_counter()
import pandas as pd
from pathlib import Path
from repro.store.store import Store
rows = [
    {"key": r["key"], "training": r["training"], "seed": r["seed"], "seconds": r["seconds"],
     **r["result"], **r["result"]["metrics"]}
    for r in Store(Path(sys.argv[1])).records("evaluation")
]
frame = pd.DataFrame(rows)
assert len(frame) == int(sys.argv[2]) and frame["miou"].between(0, 1).all()
assert "torch" not in sys.modules
print(time.perf_counter() - began)
"""


def bench(device: str) -> list[Row]:
    """Rows of the plans, then of reading."""
    del device
    return [*plans(), *growth(), *reading(RECORDS)]


def plans() -> list[Row]:
    """Trainings after sharing for 1, 3 and 5 seeds at each scale, with the time that planning takes."""
    rows = []
    for scale in ("tiny", "small", "paper"):
        for seeds in (1, 3, 5):
            options = Options(("all",), scale, seeds, store=Path(tempfile.gettempdir()) / "no such store")
            began = time.perf_counter()
            suite, store = session.load(options), Store(options.store)
            plan = session.make_plan(options, suite, store, {})
            took = time.perf_counter() - began
            cost = budget(plan, plan.trainings, plan.evaluations, suite.gpu(GPU), suite.datasets)
            measured = sum(c.cell.kind == "measured" for c in plan.cells) * seeds
            note = (
                f"{measured} measured cells x seeds, {len(plan.evaluations)} evaluations; planned in {took:.2f} s; "
                f"{cost.hours:,.0f} {GPU} hours ({'measured' if suite.gpu(GPU).measured else 'assumed'} rate), "
                f"critical path {cost.path_hours:,.1f}"
            )
            rows.append(Row(f"all at {scale}, {seeds} seeds", len(plan.trainings), "trainings", note=note))
    return rows


def growth() -> list[Row]:
    """CPU seconds of planning and of reporting v3 Table 3 as seeds grow, from made-up records."""
    few, many = SEEDS
    took: dict[str, list[float]] = {"plan": [], "report": []}
    with tempfile.TemporaryDirectory() as folder:
        for seeds in SEEDS:
            root = Path(folder) / str(seeds)
            stored(root, seeds)
            told = f"v3/table3 --scale tiny --seeds {seeds} --store {root}"
            for name, more in (("plan", ""), ("report", f"--out {root}-reports")):
                (_, seconds), *_ = timed({name: repro(f"{name} {told} {more}")}, folder, turns=1)[name]
                took[name].append(seconds)
    return [
        Row(
            f"{name} v3/table3, {many} seeds",
            seconds,
            "s",
            goal=f"at most {many / few:.0f} times {few} seeds'",
            met=seconds <= before * many / few,
            note=f"{seconds / before:.1f} times the {before:.2f} s of {few} seeds",
        )
        for name, (before, seconds) in took.items()
    ]


def reading(count: int) -> list[Row]:
    """Seconds to read so many records into a frame."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), count)
        cold, warm = (read(folder, count) for _ in range(2))
    goal, met = "under 5 s", warm < 5
    return [
        Row(f"{count:,} records into a frame, first time", cold, "s"),
        Row(f"{count:,} records into a frame", warm, "s", goal=goal, met=met, note="import of pandas included"),
    ]


def read(folder: str, count: int) -> float:
    """Seconds that another process takes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", READ, folder, str(count)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(told.stderr)
    return float(told.stdout)


def write(root: Path, count: int) -> None:
    """Evaluation records, written plainly: a store would wait for the disk after each."""
    for k in range(count):
        key = f"{k:020x}"
        folder = root / "evaluations" / key
        folder.mkdir(parents=True)
        result = {"metrics": {"miou": 0.5}, "class_iou": [0.5] * 9, "images": 120, "images_per_second": 10.0}
        code = {"digest": "0" * 20, "modules": {f"repro.module{m}": "0" * 12 for m in range(60)}}
        record = {
            "schema": 1, "kind": "evaluation", "key": key, "training": key, "seed": k % 5, "config": {"evaluate": {}},
            "data_fingerprint": "0" * 20, "code": code, "started": "2026-01-01T00:00:00+00:00", "seconds": 1.0,
            "environment": {"device": "none: made up"}, "result": result, "files": {},
        }  # fmt: skip
        (folder / "record.json").write_bytes(encode(record))
