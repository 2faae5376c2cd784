"""Memory that a long computation frees and asks for again and again, kept in the process meanwhile."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Numbers of glibc's `mallopt` (malloc.h)."""
MANY = 65536
"""Its default of MMAP_MAX: how many blocks may be maps of their own."""
LARGE = 2**25
"""How far it raises MMAP_THRESHOLD by itself, until `mallopt` is called (32 MB); TRIM_THRESHOLD is twice that."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within, freed tensors of a CPU stay with the process, whatever their size; afterwards all goes back.

    Otherwise glibc maps each block of more than 32 MB anew, and the system zeroes it page by page: a third of the time
    of several mean fields side by side. Where there is no glibc nothing happens.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt") or library is None:
        yield
        return
    library.mallopt(MMAP_MAX, 0)
    library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(MMAP_MAX, MANY)
        library.mallopt(MMAP_THRESHOLD, LARGE)
        library.mallopt(TRIM_THRESHOLD, 2 * LARGE)
        library.malloc_trim(0)
