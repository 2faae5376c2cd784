"""What this machine has, told without importing torch."""

from __future__ import annotations

import os
from pathlib import Path


def gpu_count() -> int:
    """CUDA devices of this machine, told without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([d for d in visible.split(",") if d.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def default_scale() -> str:
    """`small` where there is a GPU, else `tiny`."""
    return "small" if gpu_count() else "tiny"
