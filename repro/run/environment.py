"""What a result was computed with: versions and hardware, never names of hosts, users or directories."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import repro
from repro.cores import cores

_PACKAGES = ("torch", "torchvision", "numpy")
_VECTOR_UNITS = ("sse4_1", "avx", "f16c", "fma", "avx2", "avx512", "avx_vnni", "amx_", "asimd", "sve", "bf16", "i8mm")
"""Beginnings of the processor flags by which ATen, oneDNN, MKL and NumPy choose their kernels."""
_CHOOSING_KERNELS = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
"""Environment variables that overrule that choice, and so change how sums are rounded."""


def environment() -> dict[str, Any]:
    """Return versions, platform, processor, GPU and threads (None unless torch is in use) and the checkout's commit.

    Versions come from the packages' metadata: nothing is imported for it.
    """
    return {
        "repro": repro.__version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpu_id": _cpu_id(),
        "vector": _vector(),
        "kernels": _kernels(),
        "threads": _threads(),
        "cores": cores(),
        "gpu": _gpu(),
        **_checkout(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of the first processor; empty elsewhere."""
    linux = Path("/proc/cpuinfo")
    facts: dict[str, str] = {}
    for line in linux.read_text().splitlines() if linux.exists() else ():
        name, colon, value = line.partition(":")
        if not colon and facts:
            break
        facts[name.strip()] = value.strip()
    return facts


def _cpu() -> str:
    """Return the processor's model name, else its architecture."""
    name = _cpuinfo().get("model name") or _output("sysctl", "-n", "machdep.cpu.brand_string")
    return name or platform.processor() or platform.machine()


def _cpu_id() -> str | None:
    """Return the processor's family, model and cache: on rented machines the name alone says little."""
    parts = [_cpuinfo().get(key, "") for key in ("cpu family", "model", "stepping", "cache size")]
    return " ".join(part for part in parts if part) or None


def _vector() -> str | None:
    """Return the vector units that the processor offers; None where it does not say."""
    flags = set((_cpuinfo().get("flags") or _cpuinfo().get("Features") or "").split())
    return " ".join(sorted(flag for flag in flags if flag.startswith(_VECTOR_UNITS))) or None


def _kernels() -> str | None:
    """Return the variables that overrule which kernels are used; None where there are none."""
    return " ".join(f"{name}={os.environ[name]}" for name in _CHOOSING_KERNELS if os.environ.get(name)) or None


def _threads() -> int | None:
    """Return how many threads torch computes with."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _gpu() -> str | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    name: str = torch.cuda.get_device_name()
    return name


@cache
def _checkout() -> dict[str, Any]:
    """Return the commit and whether files differ from it; both None where the suite is not a git checkout."""
    root = Path(__file__).parents[2]
    commit = _output("git", "-C", str(root), "rev-parse", "HEAD") if (root / ".git").exists() else None
    if not commit:
        return {"commit": None, "modified": None}
    changes = _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": None if changes is None else changes != ""}


def _output(*command: str) -> str | None:
    """Return what `command` prints, None if it can't be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
