"""What the benchmarks share: taking turns, rows, the machine, the floor."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from repro.cores import cores

TURNS = 5


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    against: str = ""
    """The contender that `ratio` compares with."""
    ratio: float | None = None
    """How many times better than `against`: the median over turns of the ratio within a turn."""
    ratio_range: tuple[float, float] | None = None
    floor: float | None = None
    """The best that the hardware could do, in `unit`."""
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def share(self) -> float | None:
        """Of the floor, in [0, 1]: 1 is as fast as the hardware."""
        if self.floor is None or not self.value:
            return None
        return self.value / self.floor if self.unit.endswith("/s") else self.floor / self.value


def take_turns(
    contenders: Mapping[str, Callable[[], object]], device: str = "cpu", turns: int = TURNS
) -> dict[str, list[float]]:
    """Seconds of each contender, turn by turn, after one turn to warm up; the device is waited for."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 1):
        for name, run in contenders.items():
            synchronise(device)
            began = time.perf_counter()
            run()
            synchronise(device)
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def synchronise(device: str) -> None:
    """Wait until the device has done what it was told."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def ratios(ours: list[float], theirs: list[float]) -> tuple[float, tuple[float, float]]:
    """How many times faster we were: the median over turns, and the range."""
    each = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    return statistics.median(each), (each[0], each[-1])


def matmul_rate(device: str, half: bool) -> float:
    """Multiply-adds a second of a large matrix product, the best of several: the floor's rate."""
    import torch

    side = 8192 if device.startswith("cuda") else 1024
    dtype = torch.bfloat16 if half else torch.float32
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds = take_turns({"product": lambda: a @ b}, device, turns=8)["product"]
    return side**3 / min(seconds)


def machine(device: str) -> dict[str, object]:
    """What the figures were measured on."""
    import torch

    told: dict[str, object] = {
        "processor": _processor(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device,
    }
    if device.startswith("cuda"):
        told["gpu"] = torch.cuda.get_device_name(device)
        told["gpu_memory"] = torch.cuda.get_device_properties(device).total_memory
    return told


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def peak_memory(command: list[str], **options: object) -> tuple[float, int, float]:
    """(seconds, exit code, largest memory in bytes of the process and all below it together).

    Read from /proc: the anonymous memory of each process, and once the largest part that any of them has of files and
    of shared memory (libraries, decoded images).
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    most = 0.0
    while process.poll() is None:
        parts = [_memory(pid) for pid in _tree(process.pid)]
        most = max(most, sum(own for own, _ in parts) + max((shared for _, shared in parts), default=0.0))
        time.sleep(0.5)
    return time.perf_counter() - began, int(process.returncode), most


def _tree(root: int) -> list[int]:
    """Processes below `root`, itself included."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                told = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8")
            except OSError:
                continue  # gone meanwhile
            children.setdefault(int(told.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _memory(pid: int) -> tuple[float, float]:
    """Bytes that a process has for itself, and of what may be shared with others."""
    try:
        # not smaps, which counts pages one by one while the process waits
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split())
    except OSError:
        return 0.0, 0.0  # gone meanwhile
    page = os.sysconf("SC_PAGE_SIZE")
    return float((resident - shared) * page), float(shared * page)
