"""A table spec: one TOML file that declares a paper's table or figure.

Two forms. A grid has one or two `axes`; its `published` values are a row per value of the first axis and a column per
value of the second (one axis: its values are columns). Any other table lists `rows`, with one or more `columns`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PrivateAttr, field_validator, model_validator

from repro.spec import bounds

# Cell is a table's word: other packages import it from here
from repro.spec.cell import Cell as Cell
from repro.spec.cell import CellKind as CellKind
from repro.spec.claim import Claim
from repro.spec.expand import expand
from repro.spec.ids import Id
from repro.spec.scales import TableRule, check_condition
from repro.spec.select import paired_with
from repro.spec.strict import StrictModel

Label = Annotated[str, Field(max_length=bounds.LABEL)]
Text = Annotated[str, Field(max_length=bounds.TEXT)]
Key = Annotated[str, Field(max_length=bounds.NAME)]
Notes = Annotated[tuple[Text, ...], Field(max_length=bounds.NOTES)]
PrintedLabels = Annotated[tuple[Label, ...], Field(max_length=bounds.CELLS)]
Rules = Annotated[tuple[TableRule, ...], Field(max_length=bounds.RULES)]
Claims = Annotated[tuple[Claim, ...], Field(max_length=bounds.CLAIMS)]


class Form(StrictModel):
    """A part of a spec file: refuses keys it does not know, and does not change."""


class Source(Form):
    """Where the numbers were printed."""

    paper: Key
    arxiv: Label = ""
    table: Label = ""
    figure: Label = ""
    support: Text = ""
    """How well the transcription is supported, where that needs saying."""
    derived: bool = False
    """Nothing is printed: the "published" numbers follow from what is drawn being defined so."""


class Axis(Form):
    """One side of a grid: values of one key (or of several keys that move together), or named `points`."""

    key: Key = ""
    also: Annotated[tuple[Key, ...], Field(max_length=bounds.NOTES)] = ()
    """Keys that take the same value as `key`."""
    values: Annotated[tuple[Any, ...], Field(max_length=bounds.CELLS)] = ()
    labels: PrintedLabels = ()
    """As printed; made from the values unless given."""
    heading: Label = ""
    points: Annotated[tuple[Point, ...], Field(max_length=bounds.CELLS)] = ()

    @model_validator(mode="after")
    def _values_or_points(self) -> Axis:
        if bool(self.points) == bool(self.key and self.values):
            raise ValueError("an axis needs either `key` and `values`, or `points`. Give it one of the two.")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError(f"labels: {len(self.labels)} labels for {len(self.values)} values. Give one each.")
        return self


class Point(Form):
    """A value of an axis that sets several keys."""

    label: Label
    set: dict[str, Any] = {}
    kind: CellKind | None = None


class TableRow(Form):
    """One printed row."""

    printed: PrintedLabels = ()
    """What stands under the table's `headings`: values, ticks, or nothing."""
    label: Label = ""
    """Made from `printed` unless given."""
    set: dict[str, Any] = {}
    published: Any = "unknown"
    """A number, "unknown", or a list of them: one per column; left out where none is printed."""
    kind: CellKind | None = None
    """For the row's measured columns; "quoted" where nobody outside can measure it, or another system's result."""
    note: Text = ""


class Column(Form):
    """One printed column of numbers."""

    label: Label = ""
    metric: Key = ""
    kind: CellKind | None = None
    set: dict[str, Any] = {}


class Paper(Form):
    """A paper: what it is called, and the protocol that its tables share."""

    id: Id
    title: Text
    arxiv: Label
    year: Annotated[int, Field(ge=1, le=9999)]
    authors: Text
    protocol: dict[str, Any] = {}
    deviations: Rules = ()
    """What all its tables need at a scale."""
    claims: Claims = ()
    """Sentences of the text that belong to no table."""
    _place: str = PrivateAttr(default="")


class TableSpec(Form):
    """A whole spec file, after loading."""

    id: Id
    aliases: Annotated[tuple[Id, ...], Field(max_length=bounds.NOTES)] = ()
    title: Text
    source: Source
    metric: Key = "miou"
    kind: CellKind | None = None
    headings: PrintedLabels = ()
    """Printed headings of the columns that describe a row."""
    protocol: dict[str, Any] = {}
    axes: Annotated[tuple[Axis, ...], Field(max_length=bounds.NESTING)] = ()
    rows: Annotated[tuple[TableRow, ...], Field(max_length=bounds.CELLS)] = ()
    columns: Annotated[tuple[Column, ...], Field(max_length=bounds.CELLS)] = ()
    published: dict[str, Any] = {}
    baseline: dict[str, Any] = {}
    """A selector of the cells that the others are compared with; empty: no such comparison."""
    deviations: Rules = ()
    claims: Claims = ()
    notes: Notes = ()
    """What a reader of the numbers must know: support, doubts, contradictions inside the paper."""
    needs: PrintedLabels = ()
    """Packages that its networks come from, beside the suite's own: such a table is not one of `all`."""
    _place: str = PrivateAttr(default="")
    _paper: Paper | None = PrivateAttr(default=None)
    _cells: tuple[Cell, ...] | None = PrivateAttr(default=None)
    _baselines: dict[str, str] | None = PrivateAttr(default=None)
    _swept: dict[str, dict[str, str]] = PrivateAttr(default_factory=dict)

    @field_validator("baseline")
    @classmethod
    def _conditions(cls, selector: dict[str, Any]) -> dict[str, Any]:
        for wanted in selector.values():
            check_condition(wanted)
        return selector

    @model_validator(mode="before")
    @classmethod
    def _claims_of_its_metric(cls, values: Any) -> Any:
        """A claim that names no metric is about the table's."""
        metric, claims = (values.get(key) for key in ("metric", "claims")) if isinstance(values, dict) else (None, None)
        if not isinstance(metric, str) or not isinstance(claims, list | tuple):
            return values
        completed = (
            c if not isinstance(c, dict) or c.get("kind") == "text" else {"metric": metric, **c} for c in claims
        )
        return {**values, "claims": tuple(completed)}

    @property
    def place(self) -> str:
        """The file, as messages name it."""
        return self._place

    @property
    def paper(self) -> Paper:
        """The paper that `source.paper` names."""
        if self._paper is None:
            raise ValueError(f"{self.id} was not loaded through load_suite")
        return self._paper

    def cells(self) -> tuple[Cell, ...]:
        """Every published number, row by row. Raises InputError for a wrong shape, key or value."""
        if self._cells is None:
            self._cells = expand(self)
        return self._cells

    def baselines(self) -> dict[str, str]:
        """Cell id -> id of the baseline cell that it is compared with, itself for a baseline cell.

        It is the one in the same column, else in the same row, else the only one of its metric; a cell without any is
        left out. Raises InputError where the selector picks no measured cell.
        """
        if self._baselines is None:
            self._baselines = paired_with(self.baseline, self.cells()) if self.baseline else {}
        return self._baselines

    def swept(self, cell: Cell) -> dict[str, str]:
        """The settings that --sweep gave a cell, as --set spells them: they are no part of what was published."""
        return self._swept.get(cell.id, {})

    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        cells = self.cells()
        return 1 + max(c.row for c in cells), 1 + max(c.column for c in cells)
