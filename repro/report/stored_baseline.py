"""From a plan and the records in a store to a baseline: the results of a table, and under which protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from repro.judge.baseline import Baseline, CellBaseline, SeedResult, machine_kind
from repro.judge.reference import plain
from repro.plan.plan import Plan
from repro.plan.work import Evaluation, Training
from repro.report.fingerprints import DIGITS, common_protocol, data_of, digest, environments_in_words
from repro.spec.keys import flat_of
from repro.spec.metric import Metric, find_metric
from repro.store.arrays import read_arrays
from repro.store.metrics import metric_in
from repro.store.store import Record, Store

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
    first-step losses of the first seed's trainings; `commit`: of the code as it
    is now, whose digests are in the records' keys.
    """
    planned = [planned_cell for planned_cell in plan.of_table(table) if planned_cell.cell.kind != "quoted"]
    protocols = {
        planned_cell.cell.id: plain(flat_of(planned_cell.resolved.protocol))
        for planned_cell in planned
        if planned_cell.resolved is not None
    }
    common = common_protocol(protocols.values())
    environments: list[Mapping[str, Any]] = []
    modules: dict[str, str] = {}
    newest = ""
    cells = []
    for planned_cell in planned:
        name = planned_cell.cell.id
        if planned_cell.cell.kind == "computed":
            cells.append(CellBaseline(id=name, kind="computed", value=computed.get(name)))
            continue
        seeds: dict[int, SeedResult] = {}
        metric = find_metric(planned_cell.cell.metric)
        for seed, evaluation in planned_cell.evaluations.items():
            for part in (evaluation, evaluation.training):
                modules.update(part.code.modules)
            records = _records(evaluation, store)
            if records is None:
                continue
            seeds[seed] = _result(evaluation, records, store, metric)
            environments += [record["environment"] for record in records]
            newest = max(newest, *(str(record["started"]) for record in records))
        settings = {key: value for key, value in protocols[name].items() if key not in common}
        own = (rounding or {}).get(name, ())
        data = data_of(planned_cell)
        cells.append(
            CellBaseline(
                id=name, kind="measured", metric=metric.name, settings=settings, data=data, seeds=seeds, rounding=own
            )
        )
    return Baseline(
        table=table,
        scale=plan.request.scale,
        made=newest,
        commit=commit,
        kind=machine_kind(environments),
        environment=environments_in_words(environments),
        code=dict(sorted(modules.items())),
        protocol=common,
        cells=tuple(cells),
    )


def first_step_losses(training: Training, store: Store) -> tuple[float, ...] | None:
    """The loss at the first step of every training of a chain, first one first; None where one is not stored."""
    records = [store.peek("training", link.key) for link in training.chain()]
    return tuple(float(record["result"]["curve"]["loss"][0]) for record in records if record) if all(records) else None


def _records(evaluation: Evaluation, store: Store) -> list[Record] | None:
    """The records of an evaluation and of the trainings it rests on, itself last; None where one is missing."""
    records = [store.peek("training", training.key) for training in evaluation.training.chain()]
    records.append(store.get("evaluation", evaluation.key))
    there = [record for record in records if record is not None]
    return there if len(there) == len(records) else None


def _result(evaluation: Evaluation, records: list[Record], store: Store, metric: Metric) -> SeedResult:
    *trainings, measured = records
    losses = [training["result"]["curve"]["loss"] for training in trainings]
    (stored,) = read_arrays(store.file("evaluation", evaluation.key, "confusion.npz"), "matrices")
    matrices = np.ascontiguousarray(stored, dtype="<i8")
    return SeedResult(
        score=metric_in(store, measured, metric),
        mean_loss=float(np.mean(losses[-1])),
        first_step_losses=tuple(float(loss[0]) for loss in losses),
        confusion=digest(matrices.tobytes(), DIGITS),
        images=" ".join(digest(matrix.tobytes(), IMAGE_DIGITS) for matrix in matrices),
        weights=tuple(str(t["files"]["weights.safetensors"]["sha256"])[:DIGITS] for t in trainings),
    )
