"""Small trainings: the 20 cells of v3 Table 3, reports included, from an empty store, with peak memory.

On a CPU at scale tiny with one seed; on a GPU at scale small with three, several trainings side by side, steps as CUDA
graphs. Memory is that of all its processes together on the host, libraries that they share counted once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .turns import Row, peak_memory

SLOW = True
GOAL_BYTES = 1.5e9
PACKED = 6
"""Trainings at a time on a GPU."""
CPU = (["--scale", "tiny", "--seeds", "1"], 180.0, "at most 180 s on 2 cores")
GPU = (
    ["--scale", "small", "--seeds", "3", "--jobs", str(PACKED), "--launch", "captured"],
    720.0,
    "at most 12 minutes on an H200",
)


def bench(device: str) -> list[Row]:
    """Rows of the time and of the memory."""
    options, most_seconds, goal = CPU if device == "cpu" else GPU
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "v3/table3", *options, "--device", device]
        command = [sys.executable, "-m", "repro", *words, "--store", f"{folder}/runs", "--out", f"{folder}/reports"]
        with Path(folder, "told.txt").open("w+") as told:
            seconds, code, most = peak_memory(command, stdout=subprocess.DEVNULL, stderr=told)
            if code:
                told.seek(0)
                last = (told.read().strip().splitlines() or [""])[-1]
                raise RuntimeError(f"{' '.join(command)}: ended with {code}: {last}")
        records = [json.loads(p.read_text()) for p in Path(folder, "runs/trainings").glob("*/record.json")]
    spent = sum(record["seconds"] for record in records)
    note = f"{len(records)} trainings, {spent:.0f} s of training in all workers together"
    name = f"v3/table3 {' '.join(options)}, from nothing"
    rows = [Row(name, seconds, "s", goal=goal, met=seconds <= most_seconds, note=note)]
    if device == "cpu":
        rows.append(Row("its peak memory, all processes", most / 1e9, "GB", goal="under 1.5 GB", met=most < GOAL_BYTES))
    return rows
