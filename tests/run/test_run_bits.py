"""Every table at scale smoke, five times: equal bits, whatever the workers and what lies in memory. `tox -e slow`.

In fresh processes each: by one and by two workers, with memory filled when it is given and when it is freed
(`MALLOC_PERTURB_`); with the kernels that ATen and oneDNN choose here, and with ATen's plain ones. Where the processor
has AMX, once more without it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repro.spec.load import load_suite

RUNS = ((1, {}), (2, {}), (1, {"MALLOC_PERTURB_": "165"}), (2, {"MALLOC_PERTURB_": "90"}), (1, {}))
"""Workers, environment."""
KERNELS = {"chosen": {}, "plain": {"ATEN_CPU_CAPABILITY": "default"}}
if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)():
    KERNELS["without AMX"] = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
TABLES = [table.id for table in load_suite(None).tables.values() if any(c.kind == "measured" for c in table.cells())]


def bits(table: str, store: Path, workers: int, environment: dict[str, str], *settings: str) -> dict[str, str]:
    """Key -> digest of what a run stored: weights and losses of trainings, matrices of evaluations."""
    words = ["run", table, "--scale", "smoke", "--device", "cpu", "--jobs", str(workers), "--store", str(store)]
    words += [*(f"--set={setting}" for setting in settings), "--out", str(store / "reports")]
    environment = {**os.environ, **environment, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "repro", *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {}
    for path in sorted(store.glob("*/*/record.json")):
        told = [json.loads(path.read_text())["result"].get("curve", {}).get("loss")]
        told += [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.parent.glob("*.safetensors"))]
        told += [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.parent.glob("confusion.npz"))]
        found[path.parent.name] = hashlib.sha256(repr(told).encode()).hexdigest()
    return found


@pytest.mark.slow  # five runs of each table: hours for all of them
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("table", TABLES)
def test_five_runs_give_equal_bits(tmp_path: Path, table: str, kernels: str) -> None:
    found = [
        bits(table, tmp_path / str(number), workers, {**KERNELS[kernels], **more})
        for number, (workers, more) in enumerate(RUNS)
    ]
    assert found[0]
    assert all(one == found[0] for one in found)
