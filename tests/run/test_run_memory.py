"""What cannot fit into memory is told before anything is computed."""

import subprocess

import pytest

from repro.commands.run import check_memory
from repro.errors import InputError
from repro.plan.budget import RESERVE, training_bytes
from repro.run import memory, scale, session
from repro.run.memory import MemoryLimit, memory_limit, too_large
from repro.run.session import Options
from repro.store.store import Store


def _plan(tmp_path, *settings):
    options = Options(("v3/table6",), "paper", overrides=("train.start=random", *settings), store=tmp_path / "runs")
    store = Store(options.store)
    return session.make_plan(options, session.load(options), store, {}), store


def _told(plan, gigabytes):
    return too_large(
        plan.trainings.values(), plan.evaluations.values(), plan, MemoryLimit(gigabytes * 1e9, "this machine has")
    )


def test_the_largest_training_is_named_with_a_micro_batch_that_fits(tmp_path):
    plan, _ = _plan(tmp_path)
    assert _told(plan, 1000) == ""
    told = _told(plan, 8)
    assert "training on 16 images at once, 513 x 513, needs about" in told
    assert "this machine has 8.0 GB. --micro-batch 4 would need about" in told
    largest = max(training_bytes(t, bfloat16=False) for t in plan.trainings.values())
    assert _told(plan, largest / RESERVE / 1e9 + 0.01) == ""
    assert "No micro-batch fits" in _told(plan, 1)
    parted, _ = _plan(tmp_path, "train.micro_batch=4")
    assert _told(parted, 8) == ""


def test_an_evaluation_that_cannot_fit_is_named(tmp_path):
    plan, _ = _plan(tmp_path, "evaluate.canvas=[16001,16001]", "train.micro_batch=2")
    assert "evaluating one image needs about" in _told(plan, 16)
    assert "evaluate.canvas" in _told(plan, 16)


def test_a_cpu_refuses_and_a_gpu_tells(tmp_path, monkeypatch, capsys):
    plan, store = _plan(tmp_path)
    monkeypatch.setattr(memory, "_main_bytes", lambda: 8e9)
    with pytest.raises(InputError, match=r"this machine has 8.0 GB. --micro-batch 4"):
        check_memory(plan, store, "cpu", 1)
    monkeypatch.setattr(memory, "_gpu_bytes", lambda: 4e9)
    check_memory(plan, store, "cuda:0", 1)
    assert "its GPU has 4.0 GB" in capsys.readouterr().err
    monkeypatch.setattr(memory, "_gpu_bytes", lambda: None)
    check_memory(plan, store, "cuda:0", 1)
    assert capsys.readouterr().err == ""


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    whole = memory_limit("cpu").bytes
    assert whole > 1e8
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_LIMITS", (limit,))
    limit.write_text("max\n")
    assert memory_limit("cpu").bytes >= whole
    limit.write_text("123456789\n")
    assert memory_limit("cpu").bytes == 123456789


def test_the_smallest_gpu_counts(monkeypatch):
    monkeypatch.setattr(scale.shutil, "which", lambda _name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(subprocess, "run", lambda *a, **_: subprocess.CompletedProcess(a, 0, "81559\n40960\n", ""))
    assert memory_limit("cuda").bytes == 40960 * 2**20
