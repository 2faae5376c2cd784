"""Small trainings: the 20 cells of v3 Table 3 at scale tiny, one seed, from an empty store, with peak memory.

`repro run v3/table3 --scale tiny --seeds 1`, reports included. Memory is that of all its processes together, libraries
that they share counted once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .turns import Row, peak_memory

SLOW = True
GOAL_SECONDS, GOAL_BYTES = 180.0, 1.5e9


def bench(device: str) -> list[Row]:
    """Rows of the time and of the memory."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "v3/table3", "--scale", "tiny", "--seeds", "1", "--device", device]
        command = [sys.executable, "-m", "repro", *words, "--store", f"{folder}/runs", "--out", f"{folder}/reports"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        seconds, code, most = peak_memory(command, **quiet)
        if code:
            raise RuntimeError(f"{' '.join(command)}: ended with {code}")
        records = [json.loads(p.read_text()) for p in Path(folder, "runs/trainings").glob("*/record.json")]
    spent = sum(record["seconds"] for record in records)
    note = f"{len(records)} trainings, {spent:.0f} s of training in all workers together"
    on_cpu = device == "cpu"
    return [
        Row(
            "v3/table3 at tiny, one seed, from nothing",
            seconds,
            "s",
            goal=f"at most {GOAL_SECONDS:.0f} s on 2 cores" if on_cpu else "",
            met=seconds <= GOAL_SECONDS if on_cpu else None,
            note=note,
        ),
        Row("its peak memory, all processes", most / 1e9, "GB", goal="under 1.5 GB", met=most < GOAL_BYTES),
    ]
