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

_PACKAGES = ("torch", "torchvision", "numpy")


def environment() -> dict[str, Any]:
    """Return versions, platform, processor, GPU (None unless torch is in use) and the checkout's commit.

    Versions come from the packages' metadata: nothing is imported for it.
    """
    return {
        "repro": repro.__version__,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": _cores(),
        "gpu": _gpu(),
        **_checkout(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _cpu() -> str:
    """Return the processor's model name, else its architecture."""
    linux = Path("/proc/cpuinfo")
    for line in linux.read_text().splitlines() if linux.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _cores() -> int:
    """Return how many cores this process may use: fewer than there are in a container or a batch job."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(allowed(0)) if allowed else os.cpu_count() or 1


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
