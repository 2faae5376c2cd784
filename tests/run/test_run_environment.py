from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from repro.run import environment as module
from repro.run.environment import environment

PROJECT = Path(__file__).parents[2]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    return json.loads(done.stdout)


def test_it_says_what_the_packages_say_without_importing_them():
    code = "import json, sys; from repro.run.environment import environment\n"
    told = run(
        code + "print(json.dumps({**environment(), 'imported': 'torch' in sys.modules or 'numpy' in sys.modules}))"
    )
    code = "import json, numpy, torch, torchvision\n"
    versions = run(code + "print(json.dumps({m.__name__: m.__version__ for m in (numpy, torch, torchvision)}))")
    assert {name: told[name].split("+")[0] for name in versions} == {
        name: version.split("+")[0] for name, version in versions.items()
    }
    assert told["python"] == platform.python_version()
    assert told["cores"] == len(os.sched_getaffinity(0))
    assert told["gpu"] is None
    assert not told["imported"]


def test_it_names_no_host_user_or_directory():
    text = json.dumps(environment())
    for private in (socket.gethostname(), str(PROJECT), str(Path.home())):
        assert private not in text
    if getpass.getuser() != "root":
        assert getpass.getuser() not in text


def test_the_commit_is_that_of_the_checkout():
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=PROJECT)
    if head.returncode:
        pytest.skip("not a git checkout")
    module._checkout.cache_clear()
    assert environment()["commit"] == head.stdout.strip()
    assert environment()["modified"] in (True, False)


def test_a_package_or_program_that_is_not_there_is_none():
    assert module._version("no-such-package") is None
    assert module._output("no-such-program") is None
    assert module._output("false") is None


def test_the_gpu_is_told_once_torch_is_in_use(monkeypatch):
    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=lambda: "NVIDIA H200")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, get_num_threads=lambda: 3))
    assert environment()["gpu"] == "NVIDIA H200"
    assert environment()["threads"] == 3


def test_what_chooses_kernels_is_told(monkeypatch):
    for name in module._CHOOSING_KERNELS:
        monkeypatch.delenv(name, raising=False)
    assert environment()["kernels"] is None
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert environment()["kernels"] == "ONEDNN_MAX_CPU_ISA=AVX2"


def test_vector_units_are_those_of_the_processor(monkeypatch):
    flags = {"flags": "fpu avx2 fma avx512f lm", "cpu family": "6", "model": "85", "cache size": "36608 KB"}
    monkeypatch.setattr(module, "_cpuinfo", lambda: flags)
    assert environment()["vector"] == "avx2 avx512f fma"
    assert environment()["cpu_id"] == "6 85 36608 KB"
    monkeypatch.setattr(module, "_cpuinfo", dict)
    assert environment()["vector"] is None
    assert environment()["cpu_id"] is None
