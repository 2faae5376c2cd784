"""From a plan and the records in a store to a reference: the scores of a table, by seed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from repro.errors import InputError
from repro.judge.reference import (
    LEAST_SEEDS,
    CellReference,
    Reference,
    ReferenceRuns,
    path_of,
    plain,
    read,
    scores_of,
)
from repro.plan.plan import Plan, PlannedCell
from repro.report.fingerprints import common_protocol, data_of, environments_in_words
from repro.spec.keys import flat_of
from repro.spec.metric import find_metric
from repro.spec.places import references
from repro.spec.protocol import Protocol
from repro.store.store import Store


def collected(plan: Plan, table: str, store: Store) -> Reference:
    """Return the scores of a table's measured cells.

    Raises InputError where the plan has too few seeds, or a cell is not stored with all of them.
    """
    from repro.store.metrics import metric_in  # NumPy, which planning does without

    if plan.request.seeds < LEAST_SEEDS:
        raise InputError(f"--seeds {plan.request.seeds}: a reference takes {LEAST_SEEDS} seeds or more.")
    planned = [cell for cell in plan.of_table(table) if cell.cell.kind == "measured"]
    if not planned:
        raise InputError(f"{table}: no cell of it is measured, so there is nothing that seeds change.")
    protocols = {cell.cell.id: protocol_of(cell) for cell in planned}
    common = common_protocol(protocols.values())
    records = {}
    scores: dict[str, dict[int, float]] = {}
    for cell in planned:
        metric = find_metric(cell.cell.metric)
        for seed, evaluation in cell.evaluations.items():
            record = store.peek("evaluation", evaluation.key)
            if record is None:
                raise InputError(
                    f"{store.root}: {cell.cell.id}, seed {seed}, is not stored. Run it first: python -m repro run "
                    f"{table} --scale {plan.request.scale} --seeds {plan.request.seeds} --store {store.root}; or add "
                    "--any-code, where another version of the code has done so."
                )
            records[cell.cell.id, seed] = record
            scores.setdefault(cell.cell.id, {})[seed] = metric_in(store, record, metric)
    commits = dict.fromkeys(str(record["environment"].get("commit") or "unknown") for record in records.values())
    return Reference(
        table=table,
        scale=plan.request.scale,
        made=max(str(record["started"]) for record in records.values()),
        commit=", ".join(commits),
        environment=environments_in_words(record["environment"] for record in records.values()),
        protocol=common,
        cells=tuple(
            CellReference(
                id=cell.cell.id,
                settings={key: value for key, value in protocols[cell.cell.id].items() if key not in common},
                data=data_of(cell),
                metric=cell.cell.metric,
                scores=scores[cell.cell.id],
            )
            for cell in planned
        ),
    )


def protocol_of(planned: PlannedCell) -> dict[str, Any]:
    """Return a measured cell's resolved protocol, dotted key -> value as JSON has it."""
    return plain(flat_of(planned.resolved.protocol)) if planned.resolved is not None else {}


def fitting(cells: Iterable[PlannedCell], scale: str) -> dict[str, ReferenceRuns]:
    """Return cell id -> committed reference runs of its protocol on its images; cells without any are left out.

    Raises InputError for a damaged file.
    """
    defaults = plain(flat_of(Protocol()))
    files: dict[str, Reference | None] = {}
    runs: dict[str, ReferenceRuns] = {}
    for cell in cells:
        if cell.resolved is None or not cell.evaluations:
            continue
        table = cell.cell.table
        if table not in files:
            files[table] = read(references(), table, scale)
        reference = files[table]
        if reference is not None:
            scores = scores_of(reference, cell.cell.id, cell.cell.metric, protocol_of(cell), data_of(cell), defaults)
            if scores:
                runs[cell.cell.id] = ReferenceRuns(scores, reference.source())
    return runs


def of_one_seed(plan: Plan) -> str:
    """Return for how many cells of a plan with one seed reference runs are known, in words; empty where for none.

    Raises InputError for a damaged file.
    """
    if plan.request.seeds > 1:
        return ""
    known_runs = fitting(plan.cells, plan.request.scale)
    measured = sum(cell.cell.kind == "measured" for cell in plan.cells)
    sources = "; ".join(dict.fromkeys(runs.source for runs in known_runs.values()))
    if not known_runs:
        return ""
    return (
        f"One seed: verdicts take seed noise from reference runs ({sources}), which {len(known_runs)} of {measured} "
        "measured cells have."
    )


def stamp(plan: Plan) -> str:
    """Return what tells the references that a plan's reports may use from others: their paths, sizes and times."""
    paths = (path_of(references(), table, plan.request.scale) for table in {cell.cell.table for cell in plan.cells})
    stats = {path: path.stat() for path in sorted(paths) if path.is_file()}
    return repr([(path.name, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()])
