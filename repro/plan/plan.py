"""The plan of a run: which evaluations and trainings the asked-for cells need, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from repro.errors import InputError
from repro.plan.chain import Inputs, evaluation_of, training_of
from repro.plan.only import choose
from repro.plan.strides import with_strides
from repro.plan.work import Evaluation, Training
from repro.spec import bounds
from repro.spec.departures import changed_line
from repro.spec.load import Suite
from repro.spec.resolve import Resolved, resolve
from repro.spec.table import Cell, TableSpec


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    tables: tuple[TableSpec, ...]
    scale: str
    seeds: int = 1
    dataset: str | None = None
    only: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedCell:
    """A cell and, where it is measured, what measures it."""

    cell: Cell
    resolved: Resolved | None
    evaluations: Mapping[int, Evaluation]
    """Seed -> evaluation; empty for quoted and computed cells."""


@dataclass(frozen=True)
class Plan:
    """Everything that a request comes down to."""

    request: Request
    cells: tuple[PlannedCell, ...]
    trainings: dict[str, Training] = field(default_factory=dict)
    """By key; a training stands after the one it starts from."""
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    other_code: frozenset[str] = frozenset()
    """Keys of those that stand for work of this version of the code and were done by another."""

    def of_table(self, table: str) -> tuple[PlannedCell, ...]:
        """The cells of one table, in the paper's order."""
        return tuple(c for c in self.cells if c.cell.table == table)

    def unjudged(self) -> str:
        """Why some measured cells will not be held against their published values, though the scale is the paper's;
        empty where all will be, or where no scale's are.
        """
        resolved = [c.resolved for c in self.cells if c.resolved is not None]
        changed = [r.departures for r in resolved if r.departures]
        if self.request.scale != "paper" or not changed:
            return ""
        keys = dict.fromkeys(deviation.key for departures in changed for deviation in departures)
        return changed_line(len(changed), len(resolved), tuple(keys))


def build(suite: Suite, request: Request, inputs: Inputs) -> Plan:
    """Plan a request. Raises InputError for a protocol that cannot be."""
    return of_cells(request, tuple(_planned(suite, request, inputs)))


def of_cells(request: Request, cells: tuple[PlannedCell, ...], other_code: frozenset[str] = frozenset()) -> Plan:
    """The plan of cells: their trainings and evaluations, each once."""
    plan = Plan(request, cells, other_code=other_code)
    for planned in cells:
        for evaluation in planned.evaluations.values():
            for training in evaluation.training.chain():
                plan.trainings.setdefault(training.key, training)
            plan.evaluations.setdefault(evaluation.key, evaluation)
    return plan


def _planned(suite: Suite, request: Request, inputs: Inputs) -> Iterable[PlannedCell]:
    trainings: dict[tuple[str, int], Training] = {}
    chosen = choose(request.tables, request.only)
    count = request.seeds * sum(cell.kind == "measured" for cells in chosen.values() for cell in cells)
    if count > bounds.EVALUATIONS:
        raise InputError(
            f"--seeds {request.seeds}: {count:,} evaluations; a plan has at most {bounds.EVALUATIONS:,}. Ask for fewer "
            "seeds, or for a table at a time."
        )
    for table in request.tables:
        for cell in chosen[table.id]:
            if cell.kind != "measured":
                yield PlannedCell(cell, None, {})
                continue
            swept = table.swept(cell)
            overrides = (*request.overrides, *(f"{key}={value}" for key, value in swept.items()))
            published = {key: value for key, value in cell.settings.items() if key not in swept}
            resolved = resolve(suite, table, published, request.scale, request.dataset, overrides)
            resolved = with_strides(resolved, inputs.stride_at)
            evaluations = {}
            for seed in range(request.seeds):
                protocol = resolved.protocol
                identity = (protocol.model_copy(update={"evaluate": None}).model_dump_json(), seed)
                if identity not in trainings:
                    trainings[identity] = training_of(protocol, seed, inputs)
                evaluations[seed] = evaluation_of(protocol, trainings[identity], inputs)
            yield PlannedCell(cell, resolved, evaluations)
