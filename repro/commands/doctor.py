"""`repro doctor`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path

from repro.commands.output import print_json, print_table
from repro.errors import EXIT_OK, EXIT_WRONG_INPUT, InputError
from repro.run.scale import gpu_count

SHARED = Path("/dev/shm")
LEAST_SHARED = 1.0
"""GiB. NCCL takes tens of megabytes for each pair of GPUs; a container has 64 of them unless told otherwise."""


def main(store: Path, as_json: bool) -> int:
    """Print what was found, what it means, and what to do; 2 if something needed is missing."""
    rows = [*_versions(), *_devices(), *_bfloat16(), _crf(), _store(store), _disk(store)]
    if as_json:
        print_json(rows)
    else:
        marks: dict[object, str] = {True: "ok", False: "missing", None: "note"}
        print_table(
            ("", "what", "found", "remedy"),
            [(marks[row["ok"]], str(row["id"]), str(row["value"]), str(row["remedy"])) for row in rows],
        )
    return EXIT_WRONG_INPUT if any(row["ok"] is False for row in rows) else EXIT_OK


def _row(name: str, ok: bool | None, value: object, remedy: str = "") -> dict[str, object]:
    return {"id": name, "kind": "check", "ok": ok, "value": value, "remedy": remedy}


def _versions() -> list[dict[str, object]]:
    from repro.run.environment import environment

    environment_ = environment()
    rows = [_row(name, True, environment_[name]) for name in ("repro", "python", "platform", "cpu", "cores")]
    for package in ("torch", "torchvision", "numpy"):
        version = environment_[package]
        rows.append(
            _row(package, version is not None, version or "not installed", "" if version else f"pip install {package}")
        )
    return rows


def _devices() -> list[dict[str, object]]:
    try:
        import torch
    except ImportError as error:
        return [_row("torch import", False, error, "reinstall torch and torchvision of matching versions")]
    if not torch.cuda.is_available():
        there = gpu_count()
        if not there:
            return [_row("GPU", None, "none; the default scale is tiny", "")]
        built = f"torch {torch.__version__} is built for CUDA {torch.version.cuda} and cannot use its driver (too old?)"
        why = built if torch.version.cuda else f"torch {torch.__version__} is built without CUDA"
        remedy = "install a torch that fits the driver (`nvidia-smi` says its CUDA version), or say --device cpu"
        return [_row("GPU", False, f"{there} there, but {why}", remedy)]
    count = torch.cuda.device_count()
    gpus = [
        _row(f"cuda:{i}", True, f"{torch.cuda.get_device_name(i)}, {torch.cuda.mem_get_info(i)[1] / 2**30:.0f} GiB")
        for i in range(count)
    ]
    nccl = torch.distributed.is_available() and torch.distributed.is_nccl_available()
    return [*gpus, _compiling(), *_together(nccl, SHARED, count)]


def _bfloat16() -> list[dict[str, object]]:
    """Whether CPUs train in bfloat16: where it is fast, and where what it computes is right."""
    try:
        import torch
    except ImportError:
        return []  # which `_devices` says
    from repro.nets import trust
    from repro.nets.precision import precision

    if precision(torch.device("cpu"), "auto") == "float32":
        return [_row("bfloat16", None, "not fast on this CPU, which computes in float32")]
    wrong = [(convolution, why) for convolution in trust.usual() if (why := trust.fault(convolution))]
    if wrong:
        (convolution, why), *more = wrong
        message = f"{convolution.description}: {why}{f', and {len(more)} more' if more else ''}"
        return [
            _row("bfloat16", None, f"wrong on this processor ({message})", "none needed: such networks use float32")
        ]
    return [_row("bfloat16", True, "fast on this CPU, and convolutions and gradients are right")]


def _compiling() -> dict[str, object]:
    """What torch.compile needs for a GPU: Triton, which builds a small module of its own in C."""
    compilers = (os.environ.get("CC") or "gcc", "clang", "cc")
    lacking = [] if importlib.util.find_spec("triton") else ["Triton"]
    lacking += [] if any(map(shutil.which, compilers)) else ["a C compiler"]
    lacking += [] if Path(sysconfig.get_paths()["include"], "Python.h").is_file() else ["Python's headers (Python.h)"]
    remedy = "only --launch compiled needs these: apt-get install gcc python3-dev, or the like" if lacking else ""
    return _row(
        "torch.compile", None if lacking else True, ", ".join(lacking) + " missing" if lacking else "ok", remedy
    )


def _together(nccl: bool, shared: Path, count: int) -> list[dict[str, object]]:
    """What several GPUs need to train one network: NCCL, and shared memory, of which containers give little."""
    if count < 2:
        return []
    rows = [_row("NCCL", nccl, "built in" if nccl else "not in this torch", "" if nccl else "install torch with CUDA")]
    if shared.exists():
        size = shutil.disk_usage(shared).total / 2**30
        enough = True if size >= LEAST_SHARED else None
        remedy = "" if enough else "--gpus-per-training may fail: start the container with --ipc=host or --shm-size=8g"
        rows.append(_row(str(shared), enough, f"{size:.1f} GiB", remedy))
    return rows


def _crf() -> dict[str, object]:
    there = importlib.util.find_spec("pydensecrf") is not None
    return _row(
        "pydensecrf",
        True if there else None,
        "installed" if there else "not installed",
        "" if there else 'pip install ".[crf]"',
    )


def _store(path: Path) -> dict[str, object]:
    from repro.store.store import Store

    store = Store(path)
    if not path.exists():
        return _row("store", None, f"{path}: not there yet; the first run makes it")
    try:
        store.prepare()
        counts = {kind: sum(1 for _ in store.records(kind)) for kind in ("training", "evaluation")}
    except InputError as error:
        return _row("store", False, error)
    return _row("store", True, f"{path}: {counts['training']} trainings, {counts['evaluation']} evaluations")


def _disk(path: Path) -> dict[str, object]:
    there = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free / 2**30
    return _row(
        "disk", free > 1, f"{free:.1f} GiB free", "" if free > 1 else "free some space, or use --store elsewhere"
    )
