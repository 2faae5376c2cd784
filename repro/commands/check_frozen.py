"""The part of `repro check` that starts from frozen weights: making it with a baseline, holding a run against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from repro.commands.output import print_line
from repro.errors import InputError
from repro.judge.baseline import Baseline
from repro.plan.plan import Plan
from repro.regression import baseline as files
from repro.regression import run
from repro.regression.baseline import FrozenProbe, FrozenTable, lines_of, steps_path, weights_path
from repro.regression.compare import FrozenResult, hold
from repro.regression.probe import Probe, probes
from repro.regression.quantity import Observation
from repro.report.files import ready_folder, write_file
from repro.report.fingerprints import DIGITS, digest, environments_in_words
from repro.run.environment import environment
from repro.run.session import Options
from repro.store.store import Store

NO_RESULT = "its worker process ended before it was done"
MOST_BYTES = 32_000_000
"""Of a table's frozen weights: files that are committed. Larger networks are checked end to end alone."""


def of_baseline(folder: Path, table: str, baseline: Baseline, remedy: str) -> FrozenTable | None:
    """The steps that belong to a baseline; None where it has none. InputError where they are not there, or others."""
    if not baseline.steps:
        return None
    path, weights = (of(folder, table, baseline.scale) for of in (steps_path, weights_path))
    steps = files.read(path, remedy)
    for file, wanted in ((path, baseline.steps), (weights, steps.weights)):
        if not file.exists():
            raise InputError(f"{file}: the baseline's frozen weights are not there. {remedy}")
        if _digest(file) != wanted:
            raise InputError(f"{file}: it is not what the baseline was made with. {remedy}")
    return steps


def tasks_of(
    options: Options, folder: Path, plan: Plan, before: Mapping[str, FrozenTable]
) -> dict[str, list[run.ObserveTask]]:
    """Table -> its steps and evaluations from frozen weights. InputError for one that `before` lacks."""
    wanted: dict[str, list[run.ObserveTask]] = {}
    for table, steps in before.items():
        weights = weights_path(folder, table, steps.scale)
        for probe in probes(plan, table):
            known = steps.probe(probe.name)
            if known is None:
                raise InputError(
                    f"{steps_path(folder, table, steps.scale)}: {probe.name} is not in it. Make the baseline anew with "
                    "--update."
                )
            wanted.setdefault(table, []).append(run.ObserveTask(probe, weights, known.states, options.data_root))
    if count := sum(map(len, wanted.values())):
        print_line(f"from frozen weights: {count} steps and evaluations")
    return wanted


def held(
    before: Mapping[str, FrozenTable], tasks: Mapping[str, Sequence[run.ObserveTask]], results: Mapping[str, run.Result]
) -> dict[str, FrozenResult]:
    """Table -> its steps and evaluations, held against those of `before`; `results` by the tasks' keys."""
    return {
        table: hold(before[table], *_parted(own, [results.get(task.key, NO_RESULT) for task in own]))
        for table, own in tasks.items()
    }


def update(options: Options, folder: Path, plan: Plan, table: str, store: Store, workers: int) -> str:
    """Make a table's steps; the digest that its baseline keeps of them, empty where there is nothing to freeze."""
    own = probes(plan, table)
    path, weights = (of(folder, table, plan.request.scale) for of in (steps_path, weights_path))
    names = _weights(own, path, weights, store) if own else None
    if names is None:
        for left in (path, weights):
            left.unlink(missing_ok=True)
        return ""
    tasks = [run.ObserveTask(probe, weights, names[probe.name], options.data_root) for probe in own]
    print_line(f"{table}: {len(tasks)} steps and evaluations from frozen weights, and with other rounding")
    results, others = run.compute_rounded(tasks, store, workers)
    seen, failed = _parted(tasks, results)
    rounding: dict[str, dict[str, float]] = {}
    for _, again in others:
        for task, result in zip(tasks, again, strict=True):
            name = task.probe.name
            if isinstance(result, str):
                failed[name] = result
            elif name in seen:
                _widen(rounding.setdefault(name, {}), seen[name], result)
    if failed:
        name, reason = next(iter(failed.items()))
        raise InputError(f"{table}: no steps were made of frozen weights: {name} failed ({reason}).")
    made = FrozenTable(
        table=table,
        scale=plan.request.scale,
        weights=_digest(weights),
        environment=environments_in_words([environment()]),
        roundings=tuple(variant.description for variant, _ in others),
        probes=tuple(
            FrozenProbe(
                name=probe.name,
                also=probe.also,
                states=names[probe.name],
                seen=lines_of(seen[probe.name]),
                rounding=_rounded(rounding.get(probe.name, {})),
            )
            for probe in own
        ),
    )
    write_file(path, files.encode_table(made), "--baselines")
    print_line(f"  {path}")
    return _digest(path)


def _weights(own: Sequence[Probe], path: Path, weights: Path, store: Store) -> dict[str, tuple[str, ...]] | None:
    """Frozen weights for these probes, those that there are if they fit; each probe's place. None: too large."""
    from repro.regression import freeze, frozen  # torch

    if path.exists() and weights.exists():
        try:
            old = files.read(path, "")
            if old.weights == _digest(weights):
                names = freeze.names_if_fitting(own, old, frozen.load(weights))
                if names is not None:
                    return names
        except InputError as error:
            print_line(f"frozen weights are made anew: {error}")
    tensors, names = freeze.freeze(own, store)
    data = frozen.encode(tensors)
    if len(data) > MOST_BYTES:
        print_line(
            f"the networks are too large to freeze ({len(data) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f}): the "
            "baseline serves end to end alone. Choose a smaller scale, or narrower networks."
        )
        return None
    ready_folder(weights.parent, "--baselines")
    write_file(weights, data, "--baselines")
    print_line(f"  {weights}: {len(data) / 1e6:.2f} MB")
    return names


def _parted(
    tasks: Sequence[run.ObserveTask], results: Sequence[run.Result]
) -> tuple[dict[str, Observation], dict[str, str]]:
    """By name what was seen, and why the others failed."""
    named = [(task.probe.name, result) for task, result in zip(tasks, results, strict=True)]
    seen = {name: result for name, result in named if not isinstance(result, str)}
    return seen, {name: result for name, result in named if isinstance(result, str)}


def _widen(rounding: dict[str, float], seen: Observation, again: Observation) -> None:
    """Keep the largest distance for each quantity that both have."""
    for name, quantity in again.items():
        if name in seen:
            rounding[name] = max(rounding.get(name, 0.0), seen[name].distance(quantity))


def _rounded(rounding: Mapping[str, float]) -> dict[str, float]:
    """Two digits are enough; nothing where nothing changed, or where what must be the same was not."""
    return {name: float(f"{value:.2g}") for name, value in rounding.items() if value and math.isfinite(value)}


def _digest(path: Path) -> str:
    return digest(path.read_bytes(), DIGITS)
