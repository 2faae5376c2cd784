"""From a plan and the records in a store to a baseline: what a table came out as, and under which protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from repro.judge.baseline import Baseline, CellBaseline, SeedResult, machine_kind
from repro.plan.plan import Plan, PlannedCell
from repro.plan.work import Evaluation, Training
from repro.spec.keys import flat_of
from repro.store.store import Record, Store

DIGITS = 20
IMAGE_DIGITS = 6


def snapshot(
    plan: Plan,
    table: str,
    store: Store,
    computed: Mapping[str, float],
    rounding: Mapping[str, tuple[float, ...]] | None = None,
    commit: str | None = None,
) -> Baseline:
    """What `store` holds of a table's cells; a seed that is not stored is left out.

    `computed`: cell id -> value of the computed cells; `rounding`: cell id -> what other rounding changes in the
    openings of the first seed's trainings; `commit`: of the code as it is now, whose digests are in the records' keys.
    """
    planned = [one for one in plan.of_table(table) if one.cell.kind != "quoted"]
    protocols = {one.cell.id: _plain(flat_of(one.resolved.protocol)) for one in planned if one.resolved is not None}
    common = _common(protocols.values())
    environments: list[Mapping[str, Any]] = []
    modules: dict[str, str] = {}
    newest = ""
    cells = []
    for one in planned:
        name = one.cell.id
        if one.cell.kind == "computed":
            cells.append(CellBaseline(id=name, kind="computed", value=computed.get(name)))
            continue
        seeds: dict[int, SeedResult] = {}
        for seed, evaluation in one.evaluations.items():
            for part in (evaluation, evaluation.training):
                modules.update(part.code.modules)
            found = _records(evaluation, store)
            if found is None:
                continue
            seeds[seed] = _result(evaluation, found, store)
            environments += [record["environment"] for record in found]
            newest = max(newest, *(str(record["started"]) for record in found))
        settings = {key: value for key, value in protocols[name].items() if key not in common}
        own = (rounding or {}).get(name, ())
        data = _data(one)
        cells.append(CellBaseline(id=name, kind="measured", settings=settings, data=data, seeds=seeds, rounding=own))
    return Baseline(
        table=table,
        scale=plan.request.scale,
        made=newest,
        commit=commit,
        kind=machine_kind(environments),
        environment=_told(environments),
        code=dict(sorted(modules.items())),
        protocol=common,
        cells=tuple(cells),
    )


def openings(training: Training, store: Store) -> tuple[float, ...] | None:
    """The loss at the first step of every training of a chain, first one first; None where one is not stored."""
    found = [store.peek("training", one.key) for one in training.chain()]
    return tuple(float(record["result"]["curve"]["loss"][0]) for record in found if record) if all(found) else None


def _records(evaluation: Evaluation, store: Store) -> list[Record] | None:
    """The records of an evaluation and of the trainings it rests on, itself last; None where one is missing."""
    found = [store.peek("training", training.key) for training in evaluation.training.chain()]
    found.append(store.get("evaluation", evaluation.key))
    there = [record for record in found if record is not None]
    return there if len(there) == len(found) else None


def _result(evaluation: Evaluation, records: list[Record], store: Store) -> SeedResult:
    *trainings, measured = records
    losses = [training["result"]["curve"]["loss"] for training in trainings]
    with np.load(store.file("evaluation", evaluation.key, "confusion.npz"), allow_pickle=False) as archive:
        matrices = np.ascontiguousarray(archive["matrices"], dtype="<i8")
    return SeedResult(
        miou=float(measured["result"]["miou"]),
        course=float(np.mean(losses[-1])),
        openings=tuple(float(loss[0]) for loss in losses),
        confusion=_digest(matrices.tobytes(), DIGITS),
        images=" ".join(_digest(matrix.tobytes(), IMAGE_DIGITS) for matrix in matrices),
        weights=tuple(str(t["files"]["weights.safetensors"]["sha256"])[:DIGITS] for t in trainings),
    )


def _digest(data: bytes, digits: int) -> str:
    return hashlib.sha256(data).hexdigest()[:digits]


def _data(planned: PlannedCell) -> str:
    """Fingerprints of everything that a cell's trainings and evaluation read."""
    evaluation = next(iter(planned.evaluations.values()))
    prints = [training.images.fingerprint for training in evaluation.training.chain()]
    return _digest("/".join([*prints, evaluation.images.fingerprint]).encode(), DIGITS)


def _plain(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them."""
    plain: dict[str, Any] = json.loads(json.dumps(flat))
    return plain


def _common(protocols: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = [*protocols] or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _told(environments: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Key -> value, all values joined where results differ."""
    found: dict[str, dict[str, None]] = {}
    for environment in environments:
        for key, value in environment.items():
            if value is not None and key not in ("commit", "modified"):
                found.setdefault(key, {})[str(value)] = None
    return {key: " / ".join(values) for key, values in found.items()}
