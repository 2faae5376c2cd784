"""`repro doctor`: what a machine lacks, with its remedy."""

import importlib.util
import json
import shutil
import sysconfig
from collections import namedtuple

import torch
from typer.testing import CliRunner

from repro.cli import app
from repro.commands import doctor

Usage = namedtuple("Usage", "total used free")


def test_this_machine_has_what_a_run_needs(tmp_path):
    done = CliRunner().invoke(app, ["doctor", "--store", str(tmp_path / "runs"), "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["id"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["torch"]["ok"] is True
    assert rows["disk"]["ok"] is True
    assert rows["store"]["ok"] is None  # not there yet


def test_a_full_disk_is_told_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 2**20))
    done = CliRunner().invoke(app, ["doctor", "--store", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert "free some space" in done.stdout


def test_what_several_gpus_need_to_train_one_network(tmp_path, monkeypatch):
    assert doctor._together(False, tmp_path, 1) == []
    # a container's shared memory, as Docker gives it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 * 2**20, 0, 64 * 2**20))
    nccl, shared = doctor._together(True, tmp_path, 8)
    assert nccl["ok"] is True
    assert shared["ok"] is None
    assert shared["value"] == "0.1 GiB"
    assert "--ipc=host" in shared["remedy"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(8 * 2**30, 0, 8 * 2**30))
    nccl, shared = doctor._together(False, tmp_path, 2)
    assert nccl["ok"] is False
    assert (shared["ok"], shared["remedy"]) == (True, "")


def test_a_gpu_that_torch_cannot_use_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "gpu_count", lambda: 2)
    monkeypatch.setattr(torch.version, "cuda", None)
    (row,) = doctor._devices()
    assert row["ok"] is False
    assert "2 there, but" in row["value"]
    assert "built without CUDA" in row["value"]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    (row,) = doctor._devices()
    assert "built for CUDA 13.0 and cannot use its driver" in row["value"]
    assert "--device cpu" in row["remedy"]


def test_what_compiling_for_a_gpu_needs(tmp_path, monkeypatch):
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert (doctor._compiling()["ok"], doctor._compiling()["remedy"]) == (True, "")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    (tmp_path / "Python.h").unlink()
    row = doctor._compiling()
    assert row["ok"] is None
    assert row["value"] == "a C compiler, Python's headers (Python.h) missing"
    assert "gcc" in row["remedy"]


def test_a_processor_whose_bfloat16_is_wrong_is_told(monkeypatch):
    from repro.nets import precision, trust

    monkeypatch.setattr(precision, "_fast", lambda _kind: False)
    assert "computes in float32" in doctor._bfloat16()[0]["value"]
    monkeypatch.setattr(precision, "_fast", lambda _kind: True)
    monkeypatch.setattr(trust, "fault", lambda one: "gradient of the weight is not finite" if one.size[1] == 1 else "")
    (row,) = doctor._bfloat16()
    assert row["ok"] is None
    assert "wrong on this processor (" in row["value"]
    assert "on 16 maps of 1 x 1 pixels: gradient of the weight is not finite, and " in row["value"]
    assert "float32" in row["remedy"]
    monkeypatch.setattr(trust, "fault", lambda _one: "")
    assert doctor._bfloat16()[0]["ok"] is True
