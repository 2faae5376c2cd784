"""A table in view: where its cells stand and which evaluations and trainings fill them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from repro.plan.plan import PlannedCell
from repro.spec.cell import Cell
from repro.spec.metric import MIOU, Metric, find_metric
from repro.spec.naming import key_name
from repro.spec.reading import spelt


@dataclass(frozen=True)
class CellView:
    """A cell of the table in view: its place, and the evaluation and training of each of its seeds (keys)."""

    row: int
    column: int
    row_label: str
    column_label: str
    decimals: int
    evaluations: tuple[str, ...]
    trainings: tuple[str, ...]
    text: str = ""
    """What a cell that needs no training shows."""
    metric: Metric = MIOU
    name: str = ""
    """The cell in words, where row and column do not say it."""

    @property
    def label(self) -> str:
        """The cell in words: its name, or row and column, one of which may be empty."""
        return self.name or ", ".join(part for part in (self.row_label, self.column_label) if part)


@dataclass(frozen=True)
class TableView:
    """A table in view."""

    title: str
    cells: tuple[CellView, ...]


def table_view(title: str, cells: Iterable[PlannedCell]) -> TableView:
    """Return the view of one table; cells that no run measures show their published value."""
    planned = tuple(cells)
    alone = len({planned_cell.cell.column for planned_cell in planned if planned_cell.evaluations}) == 1
    return TableView(title, tuple(_cell_view(planned_cell, alone) for planned_cell in planned))


def _cell_view(planned: PlannedCell, alone: bool) -> CellView:
    cell = planned.cell
    evaluations = [planned.evaluations[seed] for seed in sorted(planned.evaluations)]
    published = "" if cell.published is None else f"{cell.published:.{cell.decimals}f}"
    return CellView(
        cell.row,
        cell.column,
        cell.row_label,
        cell.column_label,
        cell.decimals,
        tuple(evaluation.key for evaluation in evaluations),
        tuple(evaluation.training.key for evaluation in evaluations),
        "" if evaluations else published,
        find_metric(cell.metric),
        _name(cell, alone),
    )


def _name(cell: Cell, alone: bool) -> str:
    """What a table with a single axis varies: its row is headed by the metric, its columns by bare values.

    Where all that is measured stands in a single column (`alone`), headed by the metric, the row says it all.
    """
    if not cell.column_keys:
        return cell.row_label if alone else ""
    if cell.row_keys:
        return ""
    return ", ".join(dict.fromkeys(f"{key_name(key)} {spelt(cell.settings[key])}" for key in sorted(cell.column_keys)))
