"""A table spec: one TOML file that declares a paper's table or figure, and its expansion into cells.

Two forms. A grid has one or two `axes`; its `published` values are a row per value of the first axis and a column per
value of the second (one axis: its values are columns). Any other table lists `rows`, with one or more `columns`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from repro.errors import InputError, did_you_mean
from repro.spec.claim import Claim
from repro.spec.keys import Flat, build, flat_of, flatten, frozen, keys, unknown
from repro.spec.scales import TableRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from repro.spec.protocol import Protocol

CellKind = Literal["computed", "measured", "quoted"]
TICK, NO_TICK = "✓", ("", "–")


@dataclass(frozen=True)
class Metric:
    """What a number is: its title in print, its printed unit, and how it comes about unless a table says otherwise."""

    title: str
    unit: str
    kind: CellKind


METRICS: dict[str, Metric] = {
    "miou": Metric("mIOU", "%", "measured"),
    "multiply_adds": Metric("Multiply-Adds", "B", "computed"),
    "parameters": Metric("Params", "M", "computed"),
    "field_of_view": Metric("FOV", "px", "computed"),
    "images_per_second": Metric("Speed", "images/s", "quoted"),
    "relative_time": Metric("Relative training time", "x", "quoted"),
    "top1_error": Metric("Top-1 error", "%", "quoted"),
    "top5_error": Metric("Top-5 error", "%", "quoted"),
}


@dataclass(frozen=True)
class Cell:
    """One published number."""

    table: str
    row: int
    column: int
    row_label: str
    column_label: str
    metric: str
    kind: CellKind
    settings: Mapping[str, Any]
    """Dotted protocol key -> value, for every key that tells the table's cells apart; empty where quoted."""
    published: float | None
    """Printed unit (per cent for miou); None: unknown."""
    decimals: int
    id: str
    note: str = ""
    row_keys: frozenset[str] = frozenset()
    """Keys of `settings` that the row decides; the columns decide `column_keys`."""
    column_keys: frozenset[str] = frozenset()


class Form(BaseModel):
    """A part of a spec file: refuses keys it does not know, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Form):
    """Where the numbers were printed."""

    paper: str
    arxiv: str = ""
    table: str = ""
    figure: str = ""
    support: str = ""
    """How well the transcription is supported, where that needs saying."""


class Axis(Form):
    """One side of a grid: values of one key (or of several keys that move together), or named `points`."""

    key: str = ""
    also: tuple[str, ...] = ()
    """Keys that take the same value as `key`."""
    values: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    """As printed; made from the values unless given."""
    heading: str = ""
    points: tuple[Point, ...] = ()

    @model_validator(mode="after")
    def _values_or_points(self) -> Axis:
        if bool(self.points) == bool(self.key and self.values):
            raise ValueError("an axis needs either `key` and `values`, or `points`.")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError(f"labels: {len(self.labels)} labels for {len(self.values)} values. Give one each.")
        return self


class Point(Form):
    """A value of an axis that sets several keys."""

    label: str
    set: dict[str, Any] = {}
    kind: CellKind | None = None


class Row(Form):
    """One printed row."""

    printed: tuple[str, ...] = ()
    """What stands under the table's `headings`: values, ticks, or nothing."""
    label: str = ""
    """Made from `printed` unless given."""
    set: dict[str, Any] = {}
    published: Any
    """A number, "unknown", or a list of them: one per column."""
    kind: CellKind | None = None
    """For the row's measured columns; "quoted" where nobody outside can measure it, or another system's result."""
    note: str = ""


class Column(Form):
    """One printed column of numbers."""

    label: str = ""
    metric: str = ""
    kind: CellKind | None = None
    set: dict[str, Any] = {}


class Paper(Form):
    """A paper: what it is called, and the protocol that its tables share."""

    id: str
    title: str
    arxiv: str
    year: int
    authors: str
    protocol: dict[str, Any] = {}
    claims: tuple[Claim, ...] = ()
    """Sentences of the text that belong to no table."""
    _place: str = PrivateAttr(default="")


class TableSpec(Form):
    """A whole spec file, after loading."""

    id: str
    aliases: tuple[str, ...] = ()
    title: str
    source: Source
    metric: str = "miou"
    kind: CellKind | None = None
    headings: tuple[str, ...] = ()
    """Printed headings of the columns that describe a row."""
    protocol: dict[str, Any] = {}
    axes: tuple[Axis, ...] = ()
    rows: tuple[Row, ...] = ()
    columns: tuple[Column, ...] = ()
    published: dict[str, Any] = {}
    deviations: tuple[TableRule, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know: support, doubts, contradictions inside the paper."""
    _place: str = PrivateAttr(default="")
    _paper: Paper | None = PrivateAttr(default=None)
    _cells: tuple[Cell, ...] | None = PrivateAttr(default=None)

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

    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        cells = self.cells()
        return 1 + max(c.row for c in cells), 1 + max(c.column for c in cells)


@dataclass(frozen=True)
class _Entry:
    """A row or a column before it meets the others."""

    label: str
    slug: str
    place: str
    settings: Flat
    metric: str = ""
    kind: CellKind | None = None
    note: str = ""
    published: tuple[Any, ...] = ()


def published_settings(
    table: TableSpec, own: Mapping[str, Any] | None = None, own_place: str = ""
) -> tuple[Flat, dict[str, str]]:
    """The published protocol of a table (or of one cell's own settings) and where each key was written."""
    flat: Flat = {}
    places: dict[str, str] = {}
    sources = [
        (flatten(table.paper.protocol, f"{table.paper._place}: protocol"), f"{table.paper._place}: protocol"),
        (flatten(table.protocol, f"{table.place}: protocol"), f"{table.place}: protocol"),
        (dict(own or {}), own_place or table.place + ": set"),
    ]
    for values, place in sources:
        if "model.backbone" in values and "model.units" not in values:
            flat.pop("model.units", None)
        flat.update(values)
        places.update({key: f"{place}.{key}" for key in values})
    return flat, places


def published_protocol(table: TableSpec, own: Mapping[str, Any] | None = None, own_place: str = "") -> Protocol:
    """The paper's protocol for one cell, checked. Raises InputError naming file, key, value and remedy."""
    return build(*published_settings(table, own, own_place))


def slug(label: str) -> str:
    """A label as a part of an id: "(1, 2, 1)" -> "1-2-1"."""
    return re.sub(r"[^a-z0-9.+]+", "-", label.lower()).strip("-.") or "x"


def _value_label(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_value_label(v) for v in value) + ")"
    return str(value)


def _axis_entries(table: TableSpec, at: int) -> list[_Entry]:
    axis, place = table.axes[at], f"{table.place}: axes[{at}]"
    if axis.points:
        return [
            _Entry(
                p.label,
                slug(p.label),
                f"{place}.points[{i}].set",
                flatten(p.set, f"{place}.points[{i}].set"),
                kind=p.kind,
            )
            for i, p in enumerate(axis.points)
        ]
    for key in (axis.key, *axis.also):
        if not keys().get(key, False):
            raise InputError(f"{place}.key: {key}: {unknown(key)}")
    out = []
    for i, raw in enumerate(axis.values):
        value = frozen(raw)
        label = axis.labels[i] if axis.labels else _value_label(value)
        name = slug(label)
        if re.fullmatch(r"[\d.]+", name):
            name = f"{slug(axis.key.rsplit('.', 1)[-1])}-{name}"
        settings = dict.fromkeys((axis.key, *axis.also), value)
        out.append(_Entry(label, name, f"{place}.values[{i}]", settings))
    return out


def row_label(table: TableSpec, row: Row, place: str) -> str:
    """What tells a row apart, in the table's own words: "eval OS 8, Decoder, MS"."""
    if row.label:
        return row.label
    if len(row.printed) != len(table.headings):
        raise InputError(
            f"{place}.printed: {len(row.printed)} entries for {len(table.headings)} headings. Give one each, or a label."
        )
    parts = []
    for heading, text in zip(table.headings, row.printed, strict=True):
        if text == TICK:
            parts.append(heading)
        elif text not in NO_TICK:
            parts.append(f"{heading} {text}" if re.fullmatch(r"[\d.]+[KM]?", text) else text)
    return ", ".join(parts) or "plain"


def _row_entries(table: TableSpec) -> list[_Entry]:
    out = []
    for i, row in enumerate(table.rows):
        place = f"{table.place}: rows[{i}]"
        label = row_label(table, row, place)
        values = row.published if isinstance(row.published, list | tuple) else (row.published,)
        settings = flatten(row.set, f"{place}.set")
        out.append(_Entry(label, slug(label), f"{place}.set", settings, "", row.kind, row.note, tuple(values)))
    return out


def _column_entries(table: TableSpec) -> list[_Entry]:
    out = []
    for i, column in enumerate(table.columns or (Column(),)):
        metric = column.metric or table.metric
        place = f"{table.place}: columns[{i}]"
        _known_metric(metric, f"{place}.metric")
        label = column.label or METRICS[metric].title
        out.append(_Entry(label, slug(label), f"{place}.set", flatten(column.set, f"{place}.set"), metric, column.kind))
    return out


def _known_metric(metric: str, place: str) -> None:
    if metric not in METRICS:
        raise InputError(f'{place}: "{metric}" is not one of {", ".join(METRICS)}.{did_you_mean(metric, METRICS)}')


def _number(value: Any, place: str) -> tuple[float | None, int]:
    """(value, printed decimals); ("unknown") -> (None, 0)."""
    if value == "unknown":
        return None, 0
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InputError(f'{place}: {value!r} is not a number. Write the printed number, or "unknown".')
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return float(value), -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _grid(table: TableSpec) -> tuple[list[_Entry], list[_Entry]]:
    """Rows (with their published values) and columns of a table with axes."""
    if len(table.axes) > 2:
        raise InputError(f"{table.place}: axes: {len(table.axes)} axes; a table has one or two. List `rows` instead.")
    if set(table.published) != {table.metric}:
        given = ", ".join(table.published) or "nothing"
        raise InputError(f"{table.place}: published: {given} given; a table with axes needs published.{table.metric}.")
    _known_metric(table.metric, f"{table.place}: metric")
    matrix, place = table.published[table.metric], f"{table.place}: published.{table.metric}"
    rows = [_Entry(METRICS[table.metric].title, "", "", {})] if len(table.axes) == 1 else _axis_entries(table, 0)
    columns = _axis_entries(table, len(table.axes) - 1)
    if len(table.axes) == 1:
        matrix = [matrix]
    lengths = [len(r) if isinstance(r, list | tuple) else 1 for r in matrix] if isinstance(matrix, list | tuple) else []
    if lengths != [len(columns)] * len(rows):
        raise InputError(
            f"{place}: rows of {lengths} values; the axes make {len(rows)} rows of {len(columns)}. Add or remove values."
        )
    rows = [
        _Entry(r.label, r.slug, r.place, r.settings, r.metric, r.kind, r.note, tuple(values))
        for r, values in zip(rows, matrix, strict=True)
    ]
    columns = [_Entry(c.label, c.slug, c.place, c.settings, table.metric, c.kind) for c in columns]
    return rows, columns


def _kind(table: TableSpec, row: _Entry, column: _Entry) -> CellKind:
    """A computed column is computed in every row; else the row decides, then the table, then the metric."""
    if column.kind is not None:
        return column.kind
    usual = METRICS[column.metric].kind
    return usual if usual == "computed" else row.kind or table.kind or usual


def expand(table: TableSpec) -> tuple[Cell, ...]:
    """All cells of a table, row by row, each checked against the protocol's schema."""
    if bool(table.axes) == bool(table.rows):
        raise InputError(f"{table.place}: a table needs either `axes` or `rows`.")
    rows, columns = _grid(table) if table.axes else (_row_entries(table), _column_entries(table))
    for entries, name in ((rows, "rows"), (columns, "columns")):
        slugs = [e.slug for e in entries]
        twice = [e.label for e in entries if slugs.count(e.slug) > 1]
        if twice:
            raise InputError(f'{table.place}: {name}: "{twice[0]}" stands twice. Give each its own label.')
    varying = {key for entry in (*rows, *columns) for key in entry.settings}
    default = {}
    if varying:
        shared = flat_of(published_protocol(table))
        default = {key: shared[key] for key in varying if key in shared}
    cells = []
    for i, row in enumerate(rows):
        if len(row.published) != len(columns):
            raise InputError(
                f"{table.place}: rows[{i}].published: {len(row.published)} values for {len(columns)} columns. Give one each."
            )
        for j, column in enumerate(columns):
            kind = _kind(table, row, column)
            own = {} if kind == "quoted" else {**default, **column.settings, **row.settings}
            if own:
                places = {**dict.fromkeys(column.settings, column.place), **dict.fromkeys(row.settings, row.place)}
                flat, written = published_settings(table, own)
                build(flat, {**written, **{k: v if k in v else f"{v}.{k}" for k, v in places.items()}})
            place = f"{table.place}: rows[{i}].published" if table.rows else f"{table.place}: published.{table.metric}"
            value, decimals = _number(row.published[j], place)
            parts = [row.slug] if row.slug else []
            parts += [column.slug] if len(columns) > 1 or not parts else []
            cells.append(
                Cell(
                    table.id, i, j, row.label, column.label, column.metric, kind, own, value, decimals,
                    "/".join([table.id, *parts]), row.note,
                    frozenset(row.settings), frozenset(column.settings),
                )
            )  # fmt: skip
    return tuple(cells)
