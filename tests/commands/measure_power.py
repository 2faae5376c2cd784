"""How many planted faults does a check from frozen weights find, where sums are rounded in another way?

    python tests/commands/measure_power.py FOLDER     # half an hour on two cores; goes on where it was stopped
    python tests/commands/measure_power.py FOLDER "torch 2.10=/path/to/bin/python"    # other versions of torch too

Makes a baseline of a throw-away table, then holds every fault of `planted_faults`, and runs without one, against it in
each environment: a process with other kernels, threads or precision. Writes docs/check-power.csv and the table in
docs/check.md.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from planted_faults import FAULTS, REFACTORED, run_here
from small_paper import PAPER, RULES

from repro.commands import check_frozen
from repro.cores import cores
from repro.nets import precision
from repro.plan.plan import Plan
from repro.regression import run
from repro.regression.baseline import read, steps_path, weights_path
from repro.regression.compare import hold
from repro.regression.probe import probes
from repro.run import session
from repro.run.executors import loop
from repro.run.session import Options
from repro.store.store import Store

ROOT = Path(__file__).parents[2]
PAGE, DATA = ROOT / "docs/check.md", ROOT / "docs/check-power.csv"
BEGIN, END = "<!-- measured by tests/commands/measure_power.py -->", "<!-- end -->"
CLEAN = 7
"""Runs without a fault in each environment: one as it is, the others from weights that differ in their last bits."""
PLANTED = {**FAULTS, **REFACTORED}
TABLE = """
id = "deep/table9"
aliases = ["deep9"]
title = "Networks of three kinds"
source = { paper = "deep", table = "9" }
metric = "miou"
headings = ["Network"]

[[rows]]
printed = ["aspp"]
published = 60.1
[rows.set]
model.head = "aspp"
model.atrous_rates = [6, 12]
model.image_pooling = true
model.decoder = ["conv2"]
model.dropout = 0.1
train.optimizer = "adamw"
evaluate.output_stride = 8
evaluate.scales = [0.5, 0.75, 1.0]
evaluate.flip = true
[[rows]]
printed = ["cascade"]
published = 63.2
[rows.set]
train.optimizer = "sgd"
model.last_block = 5
[[rows]]
printed = ["summed"]
published = 61.0
[rows.set]
model.head = "sum_aspp"
model.atrous_rates = [6, 12]
model.multi_scale = true
model.stem = "conv7"
model.stride_at = "first_conv"
train.optimizer = "sgd"
train.batch_norm = "frozen"
train.output_stride = 8
evaluate.output_stride = 8
"""


@dataclass(frozen=True)
class Environment:
    """What tells a process that checks from the one that made the baseline."""

    name: str
    variables: tuple[tuple[str, str], ...] = ()
    threads: int = 1
    bfloat16: bool = False
    """Whether the processor is one that multiplies bfloat16 fast, so that trainings choose it."""
    python: str = sys.executable
    """The interpreter, with its torch."""


ENVIRONMENTS = (
    Environment("same kernels"),
    Environment("ATen's plain kernels", (("ATEN_CPU_CAPABILITY", "default"),)),
    Environment("oneDNN for SSE4.1", (("ONEDNN_MAX_CPU_ISA", "SSE41"), ("DNNL_MAX_CPU_ISA", "SSE41"))),
    Environment(
        "both",
        (("ATEN_CPU_CAPABILITY", "default"), ("ONEDNN_MAX_CPU_ISA", "SSE41"), ("DNNL_MAX_CPU_ISA", "SSE41")),
    ),
    Environment("two threads", threads=2),
    Environment("bfloat16 processor", bfloat16=True),
)


def write_table(folder: Path) -> Path:
    """Write the throw-away paper into `folder`."""
    (folder / "paper.toml").write_text(PAPER + RULES)
    (folder / "table9.toml").write_text(TABLE)
    return folder


def options_of(folder: Path) -> tuple[Options, Store, Plan]:
    """The options of a check of one seed there, its store, its plan."""
    options = Options(("deep9",), scale="smoke", seeds=1, store=folder / "runs", tables_dir=folder)
    store = Store(options.store)
    store.prepare()
    return options, store, session.make_plan(options, session.load(options), store)


def make(folder: Path) -> str:
    """Frozen weights and what comes of them, from trainings in this process; the digest of that file."""
    options, store, plan = options_of(folder)
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        work = session.work_of(plan, store, None, whole=True)
        executor = session.executor("local", store, "cpu", 1, 1, ())
        assert not loop.run(work, executor, lambda _event: None).failed
    return check_frozen.update(options, folder / "baselines", plan, "deep/table9", store, 1)


def first_place(folder: Path, what: str, threads: int = 1, draw: int = 0) -> str:
    """Where a check from frozen weights in this process first differs; empty where nothing does.

    With a `draw` each weight is at random one of the three numbers next to what it was. Steps and evaluations are
    computed one after another, until one differs.
    """
    _, store, plan = options_of(folder)
    steps = read(steps_path(folder / "baselines", "deep/table9", "smoke"), "")
    weights = weights_path(folder / "baselines", "deep/table9", "smoke")
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        PLANTED.get(what, lambda _patch: None)(patch)
        for probe in sorted(probes(plan, "deep/table9"), key=lambda one: "(training" in one.name):
            task = run.ObserveTask(probe, weights, next(one.states for one in steps.probes if one.name == probe.name))
            found = run.work(replace(task, threads=threads, mode="last bits" if draw else "usual", draw=draw), store)
            if isinstance(found, str):
                return f"{probe.name}: {found}"
            (result,) = hold(steps, {probe.name: found}, {}).probes
            if result.first is not None:
                return f"{probe.name}: {result.first.quantity}"
    return ""


def measure(folder: Path, environment: Environment) -> dict[str, str]:
    """Fault (or run without) -> where it was first seen, in an environment's own process.

    Each result is kept in `folder` at once: what is there is not measured again.
    """
    told = {**dict(environment.variables), "PYTHONPATH": os.pathsep.join((str(ROOT), str(Path(__file__).parent)))}
    words = [environment.python, __file__, str(folder), "--in", environment.name]
    subprocess.run(words, env={**os.environ, **told}, check=True)
    return _results(folder, environment)


def _results(folder: Path, environment: Environment) -> dict[str, str]:
    path = folder / f"{environment.name}.jsonl"
    return dict(map(json.loads, path.read_text().splitlines())) if path.exists() else {}


def child(folder: Path, environment: Environment) -> None:
    """Measure in this process, whose kernels are the environment's."""
    if environment.bfloat16:
        precision._fast = lambda _kind: True
    there = _results(folder, environment)
    runs = [*((f"no fault {draw + 1}", "", 10 * draw) for draw in range(CLEAN)), *((what, what, 0) for what in PLANTED)]
    for name, what, draw in runs:
        if name not in there:
            found = first_place(folder, what, environment.threads, draw)
            with (folder / f"{environment.name}.jsonl").open("a") as file:
                file.write(json.dumps([name, found]) + "\n")


def main(folder: Path, others: list[Environment], at_once: int) -> None:
    """Measure, so many environments at once, and write."""
    environments = (*ENVIRONMENTS, *others)
    if not steps_path(folder / "baselines", "deep/table9", "smoke").exists():
        make(write_table(folder))
    with ThreadPoolExecutor(at_once) as threads:
        results = threads.map(lambda one: measure(folder, one), environments)
        found = {one.name: result for one, result in zip(environments, results, strict=True)}
    for environment, result in found.items():
        print(environment, summary(result), flush=True)
    write(found)


def summary(found: dict[str, str]) -> str:
    """In words."""
    seen = sum(bool(found[what]) for what in PLANTED)
    alarms = sum(bool(where) for what, where in found.items() if what not in PLANTED)
    return f"{seen} of {len(PLANTED)} found, {alarms} alarms in {CLEAN} runs without a fault"


def write(found: dict[str, dict[str, str]]) -> None:
    """The data file, and the table in the docs; a dash stands for what was not measured."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow(["environment", "fault", "step or evaluation", "first place"])
    for environment, results in found.items():
        for what, where in results.items():
            probe, _, place = where.rpartition(": ")
            rows.writerow([environment, what, probe, place])
    DATA.write_text(buffer.getvalue())
    names = list(found)
    lines = [
        f"| fault | {' | '.join(names)} | first place that differs |",
        "| --- |" + " :-: |" * len(names) + " --- |",
    ]
    for what in PLANTED:
        own = [found[name].get(what) for name in names]
        marks = ["–" if where is None else "✓" if where else "missed" for where in own]
        first = next((where for where in own if where), "")
        lines.append(f"| {what} | {' | '.join(marks)} | {first.rpartition(': ')[2]} |")
    for words, wanted in (("found", True), ("alarms without a fault", False)):
        own = [[where for what, where in results.items() if (what in PLANTED) == wanted] for results in found.values()]
        counts = [f"{sum(map(bool, where))} of {len(where)}" for where in own]
        lines.append(f"| **{words}** | {' | '.join(counts)} | |")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + rest.partition(END)[2])


if __name__ == "__main__":
    place, given = Path(sys.argv[1]), sys.argv[2:]
    if given[:1] == ["--in"]:
        child(place, next((one for one in ENVIRONMENTS if one.name == given[1]), Environment(given[1])))
    else:
        place.mkdir(parents=True, exist_ok=True)
        main(place, [Environment(name, python=path) for name, path in (text.split("=", 1) for text in given)], cores())
