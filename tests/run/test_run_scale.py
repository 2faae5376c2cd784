"""How many GPUs a machine has, without torch."""

import subprocess

import pytest

from repro.run import scale

LISTED = "GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-1)\nGPU 1: NVIDIA GeForce RTX 3060 (UUID: GPU-2)\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(scale, "DEV", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("files", "expected"), [((), 0), (("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"), 2)])
def test_linux_has_a_device_for_each(machine, monkeypatch, files, expected):
    monkeypatch.setattr(scale.shutil, "which", lambda *_, **__: pytest.fail("nobody needs nvidia-smi here"))
    for name in files:
        (machine / name).touch()
    assert scale.gpu_count() == expected


def test_windows_subsystem_has_one_for_all_and_the_driver_says_how_many(machine, monkeypatch):
    (machine / "dxg").touch()
    asked = []
    # not on PATH: where Windows puts it
    monkeypatch.setattr(scale.shutil, "which", lambda name, path=None: f"{path}/{name}" if path else None)
    monkeypatch.setattr(
        scale.subprocess, "run", lambda a, **_: (asked.append(a), subprocess.CompletedProcess(a, 0, LISTED, ""))[1]
    )
    assert scale.gpu_count() == 2
    assert asked == [("/usr/lib/wsl/lib/nvidia-smi", "-L")]
    assert scale.default_scale() == "small"


def test_another_makers_gpu_is_none(machine, monkeypatch):
    (machine / "dxg").touch()
    monkeypatch.setattr(scale.shutil, "which", lambda *_, **__: None)
    assert scale.gpu_count() == 0
    monkeypatch.setattr(scale.shutil, "which", lambda name, **_: name)
    failed = subprocess.CalledProcessError(9, "nvidia-smi")
    monkeypatch.setattr(scale.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(failed))
    assert scale.gpu_count() == 0
