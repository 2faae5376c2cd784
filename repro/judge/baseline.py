"""A baseline: the results of a table, with all that is needed to compare a later run with them.

One JSON file per table and scale. A cell carries, for each seed, its score and digests at full precision, for machines
of the same kind, and two losses, for the others: its mean over the training and that of the first step (`judge.drift`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from repro.judge.table_files import path_of as path_of
from repro.judge.table_files import read_file
from repro.spec.metric import MIOU
from repro.spec.strict import StrictModel

KIND = (
    "platform", "cpu", "cpu_id", "vector", "kernels", "threads", "torch", "numpy", "device", "gpu", "precision",
)  # fmt: skip
"""What of a record's environment decides the bits of a result: the same processor with the same vector units and the
same libraries takes the same kernels and adds in the same order. Python's version and the number of cores do not."""


class SeedResult(StrictModel):
    """One measured cell with one seed."""

    score: float
    """The cell's metric in its internal unit."""
    mean_loss: float
    """Mean of the recorded losses of the cell's training."""
    first_step_losses: tuple[float, ...]
    """Loss at the first step of every training in the cell's chain, first one first."""
    confusion: str
    """20 hex digits of the confusion matrices of all images."""
    images: str
    """6 hex digits of each image's confusion matrix, parted by spaces."""
    weights: tuple[str, ...]
    """20 hex digits of the weights of every training in the chain."""


class CellBaseline(StrictModel):
    """One cell that is computed or measured."""

    id: str
    kind: Literal["computed", "measured"]
    metric: str = MIOU.name
    """Of a measured cell."""
    settings: dict[str, Any] = {}
    """Dotted key -> value of the resolved protocol, where the table's cells differ; empty where computed."""
    data: str = ""
    """Fingerprints of what it was trained and measured on."""
    value: float | None = None
    """Of a computed cell, in its printed unit."""
    seeds: dict[int, SeedResult] = {}
    rounding: tuple[float, ...] = ()
    """What other rounding changed in the first seed's first-step losses."""


class Baseline(StrictModel):
    """A table at a scale."""

    format: Literal[1] = 1
    table: str
    scale: str
    made: str
    """UTC, of the newest result."""
    commit: str | None
    kind: dict[str, Any] | None
    """What decides the bits (`KIND`); None where the results come from machines of several kinds."""
    environment: dict[str, str]
    code: dict[str, str]
    """Module -> digest of its content, of all modules that computed the results."""
    protocol: dict[str, Any]
    """Dotted key -> value of the resolved protocol, where all measured cells agree."""
    cells: tuple[CellBaseline, ...]
    steps: str = ""
    """20 hex digits of the file that says what comes of frozen weights; empty where there is none."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that every measured cell has."""
        own = [set(cell.seeds) for cell in self.cells if cell.kind == "measured"]
        return tuple(sorted(set.intersection(*own))) if own else ()

    def cell(self, name: str) -> CellBaseline | None:
        """The cell of that id, if there is one."""
        return next((cell for cell in self.cells if cell.id == name), None)

    def protocol_of(self, cell: CellBaseline) -> dict[str, Any]:
        """The full resolved protocol of a measured cell."""
        return {**self.protocol, **cell.settings}


def machine_kind(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What decides the bits of results with these environments; None where they differ, or say too little."""
    kinds = [{key: environment.get(key) for key in KIND} for environment in environments]
    for kind in kinds:
        kind["device"] = str(kind["device"]).partition(":")[0]  # which of several GPUs does not matter
    if not kinds or any(kind != kinds[0] for kind in kinds) or kinds[0]["vector"] is None:
        return None
    return kinds[0]


def same_bits(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
    """Whether two results must agree to the last bit: the same kind of machine, and no GPU.

    A GPU adds some sums in the order in which its blocks happen to finish.
    """
    return before is not None and before == now and before.get("device") == "cpu"


def kind_changes(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """In words, what tells two kinds of machines apart."""
    if before is None or now is None:
        return ["results from machines of several kinds, or of an unknown one"]
    if before == now and before.get("device") != "cpu":
        return ["a GPU, where some sums have no fixed order"]
    return [
        _vector_units(str(before.get(key)), str(now.get(key)))
        if key == "vector"
        else f"{key}: {before.get(key)} -> {now.get(key)}"
        for key in KIND
        if before.get(key) != now.get(key)
    ]


NAMED_UNITS = 3
"""Vector units that a message names; a processor has dozens."""


def _vector_units(before: str, now: str) -> str:
    """Which vector units only one of two processors has; their whole lists would fill a screen."""
    parts = []
    for verb, units in (
        ("lacks", set(before.split()) - set(now.split())),
        ("adds", set(now.split()) - set(before.split())),
    ):
        if units:
            more = f" and {len(units) - NAMED_UNITS} more" if len(units) > NAMED_UNITS else ""
            parts.append(f"{verb} {', '.join(sorted(units)[:NAMED_UNITS])}{more}")
    return f"the processor here {' and '.join(parts)}"


def read(path: Path, remedy: str) -> Baseline:
    """Read a baseline. Raises InputError where there is none, or it is not one; `remedy` says how to make one."""
    return read_file(Baseline, path, remedy, "there is no baseline")


def encode(baseline: Baseline) -> bytes:
    """The bytes of a baseline's file: the same for the same baseline, one value a line."""
    return (baseline.model_dump_json(indent=1) + "\n").encode()


def differences(before: Baseline, now: Baseline, defaults: Mapping[str, Any]) -> list[str]:
    """In words, why two baselines are not of the same thing; empty if they are.

    `now` may hold a part of the cells. `defaults`: dotted key -> the protocol's default. A key that is newer than the
    baseline does not count while it has its default: that is what there was before it.
    """
    cells_by_change: dict[str, list[str]] = {}
    for cell in now.cells:
        old = before.cell(cell.id)
        if old is None or old.kind != cell.kind:
            cells_by_change.setdefault("not in the baseline", []).append(cell.id)
            continue
        if cell.kind != "measured":
            continue
        if old.metric != cell.metric:
            cells_by_change.setdefault(f"metric {old.metric} -> {cell.metric}", []).append(cell.id)
        if old.data != cell.data:
            cells_by_change.setdefault("other data", []).append(cell.id)
        was, is_ = before.protocol_of(old), now.protocol_of(cell)
        for key in sorted(was.keys() | is_.keys()):
            missing = object()
            first, second = was.get(key, missing), is_.get(key, missing)
            if first is missing and second == defaults.get(key, missing):
                continue
            if first != second:
                change = " -> ".join("none" if value is missing else str(value) for value in (first, second))
                cells_by_change.setdefault(f"{key} {change}", []).append(cell.id)
    return [f"{what} ({_some(cells)})" for what, cells in cells_by_change.items()]


def _some(cells: Sequence[str]) -> str:
    shown = ", ".join(cells[:3])
    return shown if len(cells) <= 3 else f"{shown} and {len(cells) - 3} more cells"
