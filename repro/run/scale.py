"""What this machine has, determined without importing torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

DEV = Path("/dev")
WSL = "/usr/lib/wsl/lib"
"""Where Windows' subsystem for Linux keeps the driver's programs."""


def gpu_count() -> int:
    """CUDA devices of this machine, told without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([d for d in visible.split(",") if d.strip() not in ("", "-1")])
    if count := len(list(DEV.glob("nvidia[0-9]*"))):
        return count
    # WSL2 has one device for all makers' GPUs
    return sum(line.startswith("GPU ") for line in nvidia_smi("-L")) if (DEV / "dxg").exists() else 0


def nvidia_smi(*options: str) -> list[str]:
    """The lines that the driver's nvidia-smi prints; none where it is not there or fails."""
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=WSL)
    if program is None:
        return []
    try:
        result = subprocess.run((program, *options), capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return result.stdout.splitlines()


def default_scale() -> str:
    """`small` where there is a GPU, else `tiny`."""
    return "small" if gpu_count() else "tiny"
