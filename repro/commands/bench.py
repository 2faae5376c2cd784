"""`repro bench`: the suite's speed beside that of libraries in use today."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import repro
from repro.commands.output import print_line
from repro.errors import EXIT_CELL_FAILED, EXIT_OK, InputError, did_you_mean
from repro.report.files import write_file
from repro.run import session
from repro.spec.gpu import own_gpus
from repro.spec.load import form_name, load_suite

PACKAGE = "repro._benchmarks"
SHARED = ("__init__", "paced", "turns")
DEFAULT_GPU = "h100"
"""What predictions are for unless told: its rates were measured."""


def main(names: Sequence[str], device: str, json_file: Path | None, save_rate: str | None, gpu: str | None) -> int:
    """Run benchmarks one after the other, print their table, write JSON; the exit code.

    `gpu` is the kind that predictions are for.
    """
    folder = located()
    known = sorted(p.stem for p in folder.glob("*.py") if p.stem not in SHARED)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"benchmark {name!r}: there is no such benchmark; there are {', '.join(known)}.{hint}")
    if save_rate is not None:
        form_name(save_rate, "--save-rate")
        names = list(dict.fromkeys([*names, "rate"]))
    package = _package(folder)
    from repro.run.device import torch_device

    place = session.devices(device, 1)[0]
    torch_device(place)
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names or known}
    chosen = {name: m for name, m in modules.items() if names or not getattr(m, "SLOW", False)}
    predicting = {name for name, module in chosen.items() if getattr(module, "TAKES_GPU", False)}
    if gpu is not None and not predicting:
        raise InputError("--gpu: only predictions are for a kind of GPU. Name the benchmark roofline, too.")
    kind = (load_suite(None).gpu(gpu or DEFAULT_GPU),) if predicting else ()
    if slow := sorted(set(modules) - set(chosen)):
        print_line(f"not run unless named, for they take minutes: {', '.join(slow)}")
    turns = importlib.import_module(f"{package}.turns")
    rows: list[dict[str, Any]] = []
    results = {
        "schema": 1,
        "version": repro.__version__,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": turns.machine(place),
        "rows": rows,
    }

    def keep() -> None:
        if json_file is not None:
            write_file(json_file, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode(), "--json")

    failed = []
    keep()  # a file that can't be written is met before minutes of measuring
    for name, module in chosen.items():
        print_line(f"{name} on {place} ...")
        try:
            measured = module.bench(place, *(kind if name in predicting else ()))
            rows += [{"benchmark": name, **asdict(row), "share": row.share} for row in measured]
        except (InputError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
            failed.append(name)
            reason = getattr(error, "stderr", None) or str(error)
            print_line(f"{name}: failed: {reason.strip().splitlines()[-1]}")
        keep()  # where a later one is interrupted, this one's figures stay
    _print(results)
    if save_rate is not None:
        _save_rate(save_rate, results)
    return EXIT_CELL_FAILED if failed else EXIT_OK


def located() -> Path:
    """The folder of the benchmarks: inside the installed package, else beside it in a checkout. Raises InputError."""
    package = Path(repro.__file__).parent
    for folder in (package / "_benchmarks", package.parent / "benchmarks"):
        if (folder / "turns.py").is_file():
            return folder
    raise InputError(f"{package.parent}/benchmarks: no such folder. Run this in a checkout, or install the package.")


def _package(folder: Path) -> str:
    """Import the folder as a package, wherever it is; its name."""
    if PACKAGE not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise InputError(f"{folder}/__init__.py: cannot be read. Install the package again.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACKAGE] = module
        spec.loader.exec_module(module)
    return PACKAGE


def _print(results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=", ".join(f"{k} {v}" for k, v in results["machine"].items()), title_justify="left", box=None)
    for heading, right in (
        ("", 0),
        ("what", 0),
        ("median", 1),
        ("", 0),
        ("ratio to", 0),
        ("of the floor", 1),
        ("goal", 0),
    ):
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    last = ""
    for row in results["rows"]:
        name = row["benchmark"] if row["benchmark"] != last else ""
        last = row["benchmark"]
        ratio = ""
        if row["ratio"] is not None:
            low, high = row["ratio_range"]
            ratio = f"{row['ratio']:.2f} ({low:.2f} to {high:.2f}) {row['against']}"
        share = "" if row["share"] is None else f"{row['share']:.0%}"
        goal = row["goal"] + ("" if row["met"] is None else ": met" if row["met"] else ": NOT met")
        what = row["name"] + (f"\n  {row['note']}" if row["note"] else "")
        table.add_row(name, what, f"{row['value']:.4g}", row["unit"], ratio, share, goal)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)


def _save_rate(name: str, results: dict[str, Any]) -> None:
    """Put the measured rate into the user's own gpus.toml, its other entries kept as they are."""
    import tomllib

    row = next((row for row in results["rows"] if row["benchmark"] == "rate"), None)
    if row is None:
        raise InputError("--save-rate: nothing was measured. See the message above.")
    machine, path = results["machine"], own_gpus()
    memory = machine.get("gpu_memory") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        kept = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Mend or remove it.") from error
    kept[name] = {
        "title": str(machine.get("gpu") or machine["processor"]),
        "memory_gb": round(memory / 1e9, 1),
        "measured": {
            "rate": row["value"] / 1e6,
            "what": row["note"],
            "versions": f"repro {results['version']}, torch {machine['torch']}",
            "when": results["when"][:10],
        },
    }
    text = "# Rates measured by `repro bench rate --save-rate NAME`, read by `repro plan --gpu NAME`.\n"
    for key, entry in kept.items():
        text += f"\n[{json.dumps(key)}]\n"
        text += "".join(f"{k} = {_toml(v)}\n" for k, v in entry.items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made ({error.strerror}).") from error
    write_file(path, text.encode(), "--save-rate")
    print_line(
        f"{path}: {name}: {row['value']:.3g} multiply-adds a second; `repro plan TABLE --gpu {name}` reckons with it"
    )


def _toml(value: Any) -> str:
    """A value of an entry, as TOML spells it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
