"""The whole way on a real GPU: trainings, evaluations, a stop in the middle. Skipped where there is none."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.evaluate.measure import measure
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import CRF, Evaluate, Model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
TABLE = ("run", "v3/table3", "--scale", "smoke", "--only", "last_block=4", "--device", "cuda", "--jobs", "2")
MODEL = Model(
    backbone="resnet50",
    units=(1, 1, 1, 1),
    width=4,
    stem_width=4,
    head="aspp",
    atrous_rates=(1, 2, 3),
    image_pooling=True,
    head_channels=8,
)


def command(*words):
    return [sys.executable, "-m", "repro", *TABLE, *words]


def values(told):
    return {(row["id"], row.get("seed")): row["value"] for row in json.loads(told)["rows"]}


@pytest.mark.parametrize("launch", ["eager", "captured"])
def test_a_table_and_nothing_to_do_the_second_time(tmp_path, launch):
    words = command("--launch", launch, "--json")
    first, second = (
        subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert len(values(first.stdout)) == 5
    records = [json.loads(p.read_text()) for p in tmp_path.glob("runs/trainings/*/record.json")]
    assert len(records) == 6  # and the one that all start from
    assert {record["result"]["layouts"][0]["launch"] for record in records} == {launch}
    assert all(record["environment"]["device"].startswith("cuda") for record in records)
    assert second.returncode == 0
    assert "trained in" not in second.stderr
    assert values(second.stdout) == values(first.stdout)


def test_a_run_that_is_told_to_stop_goes_on(tmp_path):
    long = command("--launch", "captured", "--set", "train.iterations=4000", "--json")
    process = subprocess.Popen(long, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(tmp_path.glob("runs/trainings/*/record.json")):
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode in (0, 130, 143), told
    stored = {p.parent.name for p in tmp_path.glob("runs/trainings/*/record.json")}
    assert stored
    again = subprocess.run(
        long, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=500, check=False
    )
    assert again.returncode == 0, again.stderr
    assert len(values(again.stdout)) == 5


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0, 1.75)])
def test_an_evaluation_is_that_of_a_cpu(scales):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (5, 65, 65)).astype(np.uint8)
    labels[:, 10] = 255
    sizes = np.full((5, 2), 65, dtype=np.int32)
    sizes[3, 0] = 40
    images = PaddedSplit(rng.integers(0, 256, (5, 65, 65, 3), dtype=np.uint8), labels, sizes, tuple("abcde"))
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    with torch.no_grad():
        network.head.classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
    told = {"canvas": (65, 65), "batch_size": 2, "precision": "float32", "flip": True, "scales": scales}
    crf = CRF(w1=3.0, sigma_alpha=20.0, sigma_beta=8.0, iterations=3, backend="torch")
    for evaluate in (Evaluate(**told), Evaluate(**told, trimap_px=3), Evaluate(**told, crf=crf)):
        (here,), (there,) = (
            measure(MODEL, 3, [evaluate], network.state_dict(), images, torch.device(device))
            for device in ("cpu", "cuda")
        )
        counted = here.matrices.sum()
        assert counted == there.matrices.sum()
        # a pixel between two classes may fall to either
        assert np.abs(here.matrices - there.matrices).sum() / 2 <= 0.005 * counted
