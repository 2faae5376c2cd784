"""How many processor cores this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Fewer than there are in a container or a batch job, where the system tells (Linux)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
