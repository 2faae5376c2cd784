"""From a plan and the records in a store to a report's content: everything that a reader will see, computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repro
from repro.judge.agreement import CellCounts, agreement, headline
from repro.judge.borrowed import with_reference
from repro.judge.claims import judge
from repro.judge.evidence import Evidence, Key, cell_estimate, gather
from repro.judge.gains import gains
from repro.judge.power import detectable_difference
from repro.judge.result import ClaimResult
from repro.plan.budget import training_bytes
from repro.plan.labels import training_label
from repro.plan.layers import multiply_adds
from repro.plan.only import option
from repro.plan.plan import Plan, PlannedCell
from repro.plan.work import Training
from repro.report.best import best_of
from repro.report.collapsed_cells import collapses, remarks
from repro.report.content import (
    CellResult,
    ClassTable,
    Curve,
    Pictures,
    RecordLine,
    ReportContent,
    ResultState,
    TrainingCost,
)
from repro.report.crf_records import band_notes, mean_field, searches
from repro.report.findings import CLAIM, HYPOTHESIS, findings
from repro.report.grid import difference
from repro.report.seed_coverage import covered
from repro.report.shown_settings import common, deviations, protocols_read
from repro.report.stored_reference import fitting
from repro.report.table_head import table_head
from repro.spec.load import Suite
from repro.spec.metric import MEASURED, MIOU, Metric, find_metric
from repro.spec.protocol import Train
from repro.spec.table import TableSpec
from repro.store.arrays import read_arrays
from repro.store.metrics import CONFUSION, metric_in
from repro.store.store import Record, Store

NO_SCORE = "No pixel was scored: every label of the images measured is void, so the mean IOU is of no class."
CLAIM_SEEDS = 5
"""Seeds that judging claims takes, as the report recommends."""


class _Records:
    """The records of one table's cells, each read once."""

    def __init__(self, plan: Plan, table: str, store: Store) -> None:
        self.store = store
        self.planned = plan.of_table(table)
        self.trainings: dict[str, Training] = {}
        self.done: dict[str, Record] = {}
        self.failed: dict[str, Record] = {}
        for planned in self.planned:
            for evaluation in planned.evaluations.values():
                self._read("evaluation", evaluation.key)
                for training in evaluation.training.chain():
                    self.trainings.setdefault(training.key, training)
        for key in self.trainings:
            self._read("training", key)

    def _read(self, kind: Any, key: str) -> None:
        if key in self.done or key in self.failed:
            return
        # training records are read whole for their curves; weights are never opened
        read_record = self.store.get if kind == "evaluation" else self.store.peek
        if (record := read_record(kind, key)) is not None:
            self.done[key] = record
        elif failures := self.store.failures(key):
            self.failed[key] = failures[-1]

    def reason(self, planned: PlannedCell) -> str:
        """Why a cell failed; empty if it did not."""
        for evaluation in planned.evaluations.values():
            for key in (evaluation.key, *(t.key for t in evaluation.training.chain())):
                if key in self.failed:
                    return str(self.failed[key]["reason"])
        return ""


class _Matrices(Mapping[Key, NDArray[np.integer[Any]]]):
    """Per-image confusion matrices, read from the store when asked."""

    def __init__(self, files: dict[Key, Path]) -> None:
        self._files = files

    def __getitem__(self, key: Key) -> NDArray[np.integer[Any]]:
        return read_arrays(self._files[key], "matrices")[0]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def assemble(
    suite: Suite,
    plan: Plan,
    table: TableSpec,
    store: Store,
    *,
    command: str,
    one_cell: str,
    more_seeds: str,
    computed: Mapping[str, float] | None = None,
) -> ReportContent:
    """The content of one table's report.

    `command` made the report; `one_cell` is it without --only, to which that of one cell is added; `more_seeds`: with
    `CLAIM_SEEDS`. `computed`: cell id -> value in its printed unit, of this table's computed cells and of those that
    its claims speak of.
    """
    records = _Records(plan, table.id, store)
    shown = {planned.cell.id for planned in records.planned}
    evidence = _evidence(suite, plan, store, records, computed or {})
    baselines = table.baselines()
    gained = gains({cell: base for cell, base in baselines.items() if cell in shown}, evidence)
    cells = tuple(
        replace(
            _cell_result(planned, records, evidence, one_cell),
            baseline=baselines.get(planned.cell.id, ""),
            gain=gained.get(planned.cell.id),
        )
        for planned in records.planned
    )
    request = plan.request
    claims = judge([(claim, suite.cells_of(claim, table)) for claim in table.claims], evidence)
    detectable = _detectable(claims, request.seeds)
    resolved = [p.resolved for p in records.planned if p.resolved is not None]
    dataset = resolved[0].protocol.data.name if resolved else ""
    facts = suite.datasets.get(dataset)
    names = facts.names if facts else ()
    protocols = protocols_read(records.planned)
    trained = [r for k, r in records.done.items() if k in records.trainings]
    head = table_head(table)
    departures = {c.cell.id: c.departures for c in cells if c.departures}
    seed_decides, seeds_share = covered(r.protocol for r in resolved)
    judged = agreement([c.cell for c in cells], evidence, request.scale, departures=departures)
    return ReportContent(
        table=replace(
            head,
            notes=(*head.notes, *band_notes(cells, records.done), *_code_notes(plan, records), *_layout_notes(records)),
        ),
        cells=cells,
        headline=headline(judged, claims, _counted(cells, table.source.derived)),
        remarks=remarks(records.planned, evidence),
        scale=request.scale,
        scale_text=suite.scale(request.scale).description,
        seeds=tuple(range(request.seeds)),
        dataset=facts.title if facts else dataset,
        date=max((str(r["started"]) for r in records.done.values()), default=""),
        version=repro.__version__,
        command=command,
        more_seeds=more_seeds if request.seeds < CLAIM_SEEDS else "",
        claims=claims,
        findings=(*best_of(cells), *findings(claims, detectable, HYPOTHESIS if head.kind == "own" else CLAIM)),
        agreement=judged,
        seed_decides=seed_decides,
        seeds_share=seeds_share,
        detectable=detectable,
        protocol=common(protocols.values()),
        deviations=deviations(records.planned, protocols),
        classes=ClassTable(tuple(names), facts.colours if facts else ()),
        curves=tuple(_curves(records)),
        pictures=tuple(_pictures(cells, records)),
        searches=tuple(searches(cells, records.done, store)),
        mean_field=mean_field(cells, records.done, store),
        costs=tuple(_costs(records)),
        environment=_environment(trained),
        records=tuple(_lines(records)),
    )


def _evidence(suite: Suite, plan: Plan, store: Store, records: _Records, computed: Mapping[str, float]) -> Evidence:
    """What is measured of all planned cells (a claim may speak of another table's), and what is computed."""
    values: dict[Key, float] = {}
    files: dict[Key, Path] = {}
    image_means: set[Key] = set()
    metrics: dict[str, Metric] = {}
    for planned in plan.cells:
        metric = metrics[planned.cell.id] = find_metric(planned.cell.metric)
        for seed, evaluation in planned.evaluations.items():
            record = records.done.get(evaluation.key) or store.get("evaluation", evaluation.key)
            value = metric_in(store, record, metric) if record is not None else math.nan
            if math.isfinite(value):
                values[planned.cell.id, seed] = value
                files[planned.cell.id, seed] = store.file("evaluation", evaluation.key, CONFUSION)
                if evaluation.evaluate.average == "image":
                    image_means.add((planned.cell.id, seed))
    evidence = gather(values, computed, _Matrices(files), image_means=image_means, metrics=metrics)
    measured_by = {p.cell.id: " ".join(e.key for e in p.evaluations.values()) for p in plan.cells if p.evaluations}
    losses = {key: records.done[key]["result"]["curve"]["loss"] for key in records.trainings if key in records.done}
    names = {name: facts.names for name, facts in suite.datasets.items()}
    collapsed = collapses(plan.cells, evidence, names, losses)
    if plan.request.seeds == 1:
        evidence = with_reference(evidence, fitting(plan.cells, plan.request.scale))
    return replace(evidence, measured_by=measured_by, collapsed=collapsed)


def _cell_result(planned: PlannedCell, records: _Records, evidence: Evidence, one_cell: str) -> CellResult:
    cell = planned.cell
    if cell.kind == "quoted":
        return CellResult(cell, "quoted", reason=cell.note)
    if cell.kind == "computed":
        if cell.id not in evidence.computed:
            return CellResult(cell, "missing")
        command = f"python -m repro cost {cell.table}"
        value, estimate = evidence.computed[cell.id], cell_estimate(cell.id, evidence)
        return CellResult(cell, "computed", {0: value}, estimate, cell.note, command=command)
    metric = find_metric(cell.metric)
    values = {s: evidence.values[cell.id, s] for s in planned.evaluations if (cell.id, s) in evidence.values}
    reason = records.reason(planned) or (
        (NO_SCORE if metric in MEASURED else f"{metric.title} has no finite value here.")
        if any(e.key in records.done for e in planned.evaluations.values())
        else ""
    )
    state: ResultState = "done" if values else "failed" if reason else "missing"
    reason = "" if values else reason
    ious = [records.done[e.key]["result"]["class_iou"] for e in planned.evaluations.values() if e.key in records.done]
    return CellResult(
        cell,
        state,
        values=values,
        estimate=cell_estimate(cell.id, evidence),
        reason=reason,
        evaluations={s: e.key for s, e in planned.evaluations.items() if e.key in records.done},
        command=" ".join([one_cell, *(option(key, value) for key, value in cell.settings.items())]),
        departures=tuple(d.key for d in planned.resolved.departures) if planned.resolved else (),
        class_iou=_class_means(ious) if metric == MIOU else (),
    )


def _class_means(rows: list[list[float | None]]) -> tuple[float | None, ...]:
    """Mean over seeds of each class's IOU; None where a class is absent in every seed."""
    out: list[float | None] = []
    for values in zip(*rows, strict=True):
        there = [v for v in values if v is not None]
        out.append(sum(there) / len(there) if there else None)
    return tuple(out)


def _counted(cells: tuple[CellResult, ...], derived: bool) -> CellCounts:
    distances = [difference(c) for c in cells if c.state == "computed"]
    places = [c.cell.decimals for c in cells if c.state == "computed"]
    printed = [(d, n) for d, n in zip(distances, places, strict=True) if d is not None]
    return CellCounts(
        measurable=sum(c.cell.kind == "measured" for c in cells),
        alone=sum(c.state == "done" and c.cell.kind == "measured" and c.cell.published is None for c in cells),
        computed=len(printed),
        equal=sum(abs(d) <= 0.5001 * 10**-n for d, n in printed),
        quoted=sum(c.state == "quoted" for c in cells),
        derived=derived,
    )


def _detectable(claims: tuple[ClaimResult, ...], seeds: int) -> float | None:
    """The difference that so many seeds detect: from the paired spread over seeds and images in this table's claims."""
    effects = [c.effect for c in claims if c.effect is not None and c.effect.seeds > 1 and c.unit == "points"]
    spreads = [e.seed_error * np.sqrt(e.seeds) for e in effects if e.seed_error > 0]
    if not spreads or seeds < 2:
        return None
    images = [e.image_error for e in effects if not np.isnan(e.image_error)]
    error = float(np.median(images)) if images else 0.0
    smallest = float(detectable_difference(float(np.median(spreads)), seeds, error))
    return smallest if smallest <= 100 else None  # two scores cannot differ by more


def _curves(records: _Records) -> Iterator[Curve]:
    for key, training in records.trainings.items():
        if key in records.done and isinstance(training.settings, Train):
            curve = records.done[key]["result"]["curve"]
            label = training_label(training, records.planned)
            yield Curve(label, training.seed, np.array(curve["step"]), np.array(curve["loss"]))


def _pictures(cells: tuple[CellResult, ...], records: _Records) -> Iterator[Pictures]:
    """The first seed's pictures of each cell."""
    for cell in cells:
        for seed, key in cell.evaluations.items():
            path = records.store.file("evaluation", key, "pictures.npz")
            names, image, truth, prediction = read_arrays(path, "names", "image", "truth", "prediction")
            yield Pictures(cell.cell.id, seed, tuple(map(str, names)), image, truth, prediction)
            break


def _costs(records: _Records) -> Iterator[TrainingCost]:
    by_label: dict[str, list[Training]] = {}
    for key, training in records.trainings.items():
        if key in records.done:
            by_label.setdefault(training_label(training, records.planned), []).append(training)
    for label, trainings in by_label.items():
        first, done = trainings[0], [records.done[training.key] for training in trainings]
        crop, results = first.settings.crop, [record["result"] for record in done]
        yield TrainingCost(
            label=label,
            seeds=len(done),
            parameters=results[0]["parameters"],
            multiply_adds=multiply_adds(
                first.model, first.settings.output_stride, crop, crop, first.images.data.classes
            ),
            seconds=sum(float(record["seconds"]) for record in done) / len(done),
            images_per_second=sum(r["images_per_second"] for r in results) / len(results),
            memory_bytes=round(training_bytes(first)),
            device=str(done[0]["environment"].get("gpu") or done[0]["environment"].get("cpu") or ""),
            precision=str(done[0]["environment"].get("precision", "")),
        )


def _code_notes(plan: Plan, records: _Records) -> Iterator[str]:
    """Which records another version of the code made."""
    others = [record for key, record in records.done.items() if key in plan.other_code]
    if others:
        commits = dict.fromkeys(str(r["environment"].get("commit") or "unknown")[:9] for r in others)
        yield (
            f"{len(others)} of {len(records.done)} records were made by another version of the code (commit "
            f"{', '.join(commits)}) than the one that writes this report; settings, seeds and images are the same."
        )


def _layout_notes(records: _Records) -> Iterator[str]:
    """What trainings and evaluations say of batches that were not computed at once."""
    counts: dict[tuple[str, str], int] = {}
    for key, record in records.done.items():
        for remark in record["result"].get("remarks", ()):
            kind = "trainings" if key in records.trainings else "evaluations"
            counts[kind, remark] = counts.get((kind, remark), 0) + 1
    evaluations = {evaluation.key for planned in records.planned for evaluation in planned.evaluations.values()}
    all_ = {"trainings": len(records.trainings), "evaluations": len(evaluations)}
    for (kind, remark), count in sorted(counts.items(), key=lambda item: (item[0][0] != "trainings", item[0][1])):
        yield f"In {count} of {all_[kind]} {kind}, {remark}."


def _environment(done: list[Record]) -> dict[str, str]:
    """Key -> value, all values joined where records differ."""
    keys = dict.fromkeys(key for record in done for key in record["environment"])
    values_by_key = {k: dict.fromkeys(str(r["environment"].get(k)) for r in done) for k in keys}
    return {key: " / ".join(values) for key, values in values_by_key.items() if list(values) != ["None"]}


def _lines(records: _Records) -> Iterator[RecordLine]:
    cells = {e.key: (p.cell.id, s) for p in records.planned for s, e in p.evaluations.items()}
    for key, record in records.done.items():
        training = records.trainings.get(key)
        label, seed = (training_label(training, records.planned), training.seed) if training is not None else cells[key]
        kind: Any = "training" if training is not None else "evaluation"
        digest, data = record["code"]["digest"], record["data_fingerprint"]
        yield RecordLine(key, kind, label, seed, record["started"], float(record["seconds"]), digest, data)
    for key, record in records.failed.items():
        yield RecordLine(key, "failure", record["reason"], 0, record["started"], None, "", "")
