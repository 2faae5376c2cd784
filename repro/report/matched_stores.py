"""Two stores side by side: which measurements are of the same cell, though code, machine or data may differ.

A record's key holds the digest of the code, so two versions never share one. Here measurements are matched by what was
asked for: the settings of the evaluation and of every training it rests on, the data sets by name, and the seeds.
Settings that a record lacks, since they are newer than it, count as their default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from repro.errors import InputError
from repro.plan.chain import Inputs, evaluation_of, training_of
from repro.plan.code import Code
from repro.plan.plan import Request, build
from repro.plan.work import Evaluation
from repro.report.overridden_settings import assignments, settings_of
from repro.spec.cell import Cell
from repro.spec.load import Suite
from repro.spec.metric import Metric
from repro.spec.protocol import Evaluate, Model, Pretrain, Train
from repro.spec.resolve import resolve
from repro.spec.table import TableSpec
from repro.store.metrics import CONFUSION, metric_in
from repro.store.store import FOLDERS, Record, Store

Identity = str
"""20 hex digits of everything that was asked for but the seeds."""
Asked = tuple[Identity, int]
"""With the seed."""
TRIED = 6
"""Cells nearest to a measurement with changed settings that are resolved with these."""


@dataclass(frozen=True)
class Measurement:
    """One evaluation in a store, with the record of its training."""

    evaluation: Record
    training: Record
    store: Store
    seeds: tuple[int, ...]
    """Of its training, and before that of those it starts from: first one first."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its settings, as `repro.report.overridden_settings` keeps them."""

    @property
    def confusion(self) -> Path:
        """The file of its confusion matrices."""
        return self.store.file("evaluation", str(self.evaluation["key"]), CONFUSION)

    def whole(self) -> bool:
        """Whether every byte of it is as it was stored; if not it is set aside."""
        return self.store.get("evaluation", str(self.evaluation["key"])) is not None

    def score(self, metric: Metric) -> float:
        """A metric in its internal unit."""
        return metric_in(self.store, self.evaluation, metric)


@dataclass(frozen=True)
class PlannedAt:
    """Where a measurement belongs in the suite."""

    cell: Cell
    scale: str
    dataset: str
    given: str | None
    """The data set, where it is not the scale's own."""


@dataclass(frozen=True)
class SideBySide:
    """One cell at one scale and data set, by seed, in both stores."""

    cell: Cell
    scale: str
    dataset: str
    a: Mapping[int, Measurement]
    b: Mapping[int, Measurement]
    changed: tuple[str, ...] = ()
    """Settings other than the cell's at that scale, as --set takes them."""

    @property
    def name(self) -> str:
        """The cell, and what was changed of it."""
        return self.cell.id + (f" with {', '.join(self.changed)}" if self.changed else "")

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that both have, with pre-trainings of the same seed."""
        both = sorted(self.a.keys() & self.b.keys())
        return tuple(seed for seed in both if self.a[seed].seeds == self.b[seed].seeds)


@dataclass(frozen=True)
class Matched:
    """Everything that two stores hold of some tables."""

    cells: tuple[SideBySide, ...]
    """In the papers' order, those that only one store has among them."""
    elsewhere: tuple[int, int]
    """Measurements of each store that belong to no cell of these tables: others, or with settings changed by hand that
    the other store has not."""


def opened(path: Path, which: str) -> Store:
    """A store to read. Raises InputError where there is none."""
    if not path.is_dir() or not any((path / name).is_dir() for name in FOLDERS.values()):
        raise InputError(f"{which} {path}: no store is there. Give the --store folders of two runs.")
    return Store(path)


def measurements(store: Store) -> dict[Asked, Measurement]:
    """What a store has measured, by what was asked for; of several, by several versions, the newest."""
    trainings = {str(record["key"]): record for record in store.records("training")}
    newest: dict[Asked, Measurement] = {}
    for record in store.records("evaluation"):
        chain = _chain(str(record["training"]), trainings)
        if chain is None:
            continue
        identity = (
            _identity([(link["task"], link["config"]) for link in chain], record["config"]),
            int(chain[-1]["seed"]),
        )
        before = newest.get(identity)
        if before is None or str(before.evaluation["started"]) < str(record["started"]):
            seeds = tuple(int(link["seed"]) for link in chain)
            settings = settings_of([(link["task"], link["config"]) for link in chain], record["config"])
            newest[identity] = Measurement(record, chain[-1], store, seeds, settings)
    return newest


def match(
    suite: Suite,
    tables: Sequence[TableSpec],
    scales: Sequence[str],
    a: Mapping[Asked, Measurement],
    b: Mapping[Asked, Measurement],
) -> Matched:
    """Put the measurements of two stores into the cells of `tables`."""
    datasets = {str(measurement.evaluation["config"]["data"]["name"]) for measurement in (*a.values(), *b.values())}
    by_identity = [_by_identity(side) for side in (a, b)]
    cells: list[SideBySide] = []
    used: set[Identity] = set()
    for scale in scales:
        for place, identity in _places(suite, tables, scale, datasets):
            own, other = ({s: m for s, m in side.get(identity, {}).items() if m.whole()} for side in by_identity)
            if own or other:
                used.add(identity)
                cells.append(SideBySide(place.cell, scale, place.dataset, own, other))
    both = {k: v for k, v in by_identity[0].items() if k in by_identity[1] and k not in used}
    for identity, place, changed in _overridden(suite, tables, scales, datasets, both):
        used.add(identity)
        own, other = ({s: m for s, m in side[identity].items() if m.whole()} for side in by_identity)
        cells.append(SideBySide(place.cell, place.scale, place.dataset, own, other, changed))
    left = [sum(identity not in used for identity, _ in side) for side in (a, b)]
    return Matched(tuple(cells), (left[0], left[1]))


def _by_identity(side: Mapping[Asked, Measurement]) -> dict[Identity, dict[int, Measurement]]:
    by_seed: dict[Identity, dict[int, Measurement]] = {}
    for (identity, seed), measurement in side.items():
        by_seed.setdefault(identity, {})[seed] = measurement
    return by_seed


def _overridden(
    suite: Suite,
    tables: Sequence[TableSpec],
    scales: Sequence[str],
    datasets: Iterable[str],
    measured: Mapping[Identity, Mapping[int, Measurement]],
) -> Iterator[tuple[Identity, PlannedAt, tuple[str, ...]]]:
    """Of which cells of `tables` measurements are whose settings were changed by hand, and what was changed."""
    if not measured:
        return
    every = suite.select(["all"])
    places = [
        (place, evaluation, _settings(evaluation))
        for scale in scales
        for place, evaluation in _planned(suite, every, scale, datasets)
    ]
    asked_for = {table.id for table in tables}
    for identity, seeds in measured.items():
        wanted = next(iter(seeds.values())).settings
        near = [
            (len(overrides), place.cell.table not in asked_for, at, overrides)
            for at, (place, _, there) in enumerate(places)
            if (overrides := assignments(wanted, there)) is not None
        ]
        for _, elsewhere, at, overrides in sorted(near)[:TRIED]:
            place = places[at][0]
            if _identity_with(suite, place, overrides) == identity:
                if not elsewhere:
                    yield identity, place, _needed(suite, place, overrides, identity)
                break


def _identity_with(suite: Suite, place: PlannedAt, overrides: Sequence[str]) -> Identity | None:
    """What a cell asks for with these settings; None where it cannot have them."""
    try:
        table, inputs = suite.tables[place.cell.table], _nothing_read(suite)
        protocol = resolve(suite, table, place.cell.settings, place.scale, place.given, overrides).protocol
        return identity_of(evaluation_of(protocol, training_of(protocol, 0, inputs), inputs))
    except InputError:
        return None


def _needed(suite: Suite, place: PlannedAt, overrides: tuple[str, ...], identity: Identity) -> tuple[str, ...]:
    """Those of the overrides that the others do not bring about."""
    for override in overrides:
        less = tuple(other for other in overrides if other != override)
        if _identity_with(suite, place, less) == identity:
            overrides = less
    return overrides


def _nothing_read(suite: Suite) -> Inputs:
    """What the data, code and weights are does not bear on what was asked for."""
    return Inputs(lambda *_: "", lambda *_: Code(()), lambda name: suite.dataset(name).names, lambda *_: "")


def _places(
    suite: Suite, tables: Sequence[TableSpec], scale: str, datasets: Iterable[str]
) -> Iterator[tuple[PlannedAt, Identity]]:
    """Every measured cell at a scale, on the data sets of the scale and on `datasets`, with what it asks for."""
    for place, evaluation in _planned(suite, tables, scale, datasets):
        yield place, identity_of(evaluation)


def _planned(
    suite: Suite, tables: Sequence[TableSpec], scale: str, datasets: Iterable[str]
) -> Iterator[tuple[PlannedAt, Evaluation]]:
    inputs = _nothing_read(suite)
    usual: set[str] = set()
    for dataset in (None, *sorted(datasets)):
        if dataset in usual:
            continue
        try:
            plan = build(suite, Request(tuple(tables), scale, 1, dataset), inputs)
        except InputError:
            if dataset is None:
                raise
            continue  # a data set that these tables cannot be run on
        for planned in plan.cells:
            for evaluation in planned.evaluations.values():
                name = evaluation.images.data.name
                if dataset is None or name not in usual:
                    yield PlannedAt(planned.cell, scale, name, dataset), evaluation
                usual.update([name] if dataset is None else [])


def _settings(evaluation: Evaluation) -> Mapping[str, Any]:
    return settings_of(
        [(training.task, training.config()) for training in evaluation.training.chain()], evaluation.config()
    )


def identity_of(evaluation: Evaluation) -> Identity:
    """What a planned evaluation asks for."""
    chain = [(training.task, training.config()) for training in evaluation.training.chain()]
    return _identity(chain, evaluation.config())


def _chain(key: str, trainings: Mapping[str, Record]) -> list[Record] | None:
    """A training's record after those it starts from; None where one is not in the store, or starts from itself."""
    chain: list[Record] = []
    following: str | None = key
    while following is not None:
        record = trainings.get(following)
        if record is None or record in chain:
            return None
        chain.insert(0, record)
        following = record["parent"]
    return chain


def _identity(chain: Sequence[tuple[str, Mapping[str, Any]]], evaluation: Mapping[str, Any]) -> Identity:
    trainings = [
        {
            "task": task,
            "model": _whole(Model, config["model"]),
            "data": config["data"],
            "train": _whole(Pretrain if task == "presence" else Train, config["train"]),
        }
        for task, config in chain
    ]
    measured = {"data": evaluation["data"], "evaluate": _whole(Evaluate, evaluation["evaluate"])}
    text = json.dumps([trainings, measured], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _whole(kind: type[BaseModel], settings: Mapping[str, Any]) -> Any:
    """Settings with the defaults of those that are newer; as they are if they are no longer understood."""
    try:
        return kind.model_validate(settings).model_dump(mode="json")
    except ValidationError:
        return dict(settings)
