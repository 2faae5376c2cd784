"""What the stand-in was asked: imported by what runs on it."""

import ctypes
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_library = ctypes.CDLL(None)
_library.stand_in_peak.restype = ctypes.c_size_t
LAUNCHES = ("kernel", "triton", "product", "convolution", "normalisation", "collective", "fill", "replay")


@dataclass(frozen=True)
class Event:
    """A line of the log."""

    kind: str
    name: str
    bytes: int
    stream: int
    recorded: bool


def keep():
    """Begin to keep events."""
    _library.stand_in_keep(1)


def kept():
    """The events since `keep`."""
    _library.stand_in_keep(0)
    with tempfile.NamedTemporaryFile() as file:
        _library.stand_in_write(file.name.encode())
        lines = Path(file.name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [Event(kind, name, int(count), int(stream), recorded == "1") for kind, name, count, stream, recorded in rows]


def peak(*, reset=False):
    """Most bytes of device memory taken since the last reset."""
    return _library.stand_in_peak(int(reset))


def faults(events):
    """What makes the host and the device wait for each other: waits, copies of pageable memory, illegal calls."""
    wrong = [e for e in events if e.kind in ("wait", "illegal") or (e.kind == "copy" and "pageable" in e.name)]
    return dict(Counter(f"{e.kind}: {e.name}" for e in wrong))


def launches(events):
    """How many operations the device was given, recorded ones once for each replay."""
    return sum(e.kind in LAUNCHES for e in events)
