"""From a table spec to its cells, each checked against the protocol's schema."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from repro.errors import InputError, shortened
from repro.spec import bounds
from repro.spec.cell import Cell, CellKind
from repro.spec.explain import brief
from repro.spec.keys import Flat, build, flat_of, flatten, frozen, keys, unknown
from repro.spec.metric import SHARE, Metric, find_metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from repro.spec.table import TableRow, TableSpec

TICK, NO_TICK = "✓", ("", "–")


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


def shared_settings(table: TableSpec) -> tuple[Flat, dict[str, str]]:
    """What the paper and the table set for every cell, and where each key was written."""
    flat: Flat = {}
    places: dict[str, str] = {}
    for tree, file in ((table.paper.protocol, table.paper._place), (table.protocol, table.place)):
        _put(flat, places, flatten(tree, f"{file}: protocol"), f"{file}: protocol")
    return flat, places


def published_settings(
    table: TableSpec, own: Mapping[str, Any], shared: tuple[Flat, dict[str, str]] | None = None
) -> tuple[Flat, dict[str, str]]:
    """The published protocol of a cell with these settings of its own, and where each key was written.

    `shared` is `shared_settings(table)` where it is at hand.
    """
    flat, places = shared or shared_settings(table)
    flat, places = dict(flat), dict(places)
    _put(flat, places, own, f"{table.place}: set")
    return flat, places


def _put(flat: Flat, places: dict[str, str], values: Mapping[str, Any], place: str) -> None:
    if "model.backbone" in values and "model.units" not in values:
        flat.pop("model.units", None)
    flat.update(values)
    places.update({key: f"{place}.{key}" for key in values})


def slug(label: str) -> str:
    """A label as a part of an id: "(1, 2, 1)" -> "1-2-1"."""
    return re.sub(r"[^a-z0-9.+]+", "-", label.lower()).strip("-.") or "x"


def value_label(value: Any) -> str:
    """A value as a row's or column's label."""
    if isinstance(value, tuple):
        return "(" + ", ".join(value_label(v) for v in value) + ")"
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
        label = axis.labels[i] if axis.labels else value_label(value)
        name = slug(label)
        if re.fullmatch(r"[\d.]+", name):
            name = f"{slug(axis.key.rsplit('.', 1)[-1])}-{name}"
        settings = dict.fromkeys((axis.key, *axis.also), value)
        out.append(_Entry(label, name, f"{place}.values[{i}]", settings))
    return out


def row_label(table: TableSpec, row: TableRow, place: str) -> str:
    """What tells a row apart, in the table's own words: "eval OS 8, Decoder, MS"."""
    if row.label:
        return row.label
    if len(row.printed) != len(table.headings):
        count = f"{len(row.printed)} entries for {len(table.headings)} headings"
        raise InputError(f"{place}.printed: {count}. Give one each, or a label.")
    parts = []
    for heading, text in zip(table.headings, row.printed, strict=True):
        if text == TICK:
            parts.append(heading)
        elif text not in NO_TICK:
            parts.append(f"{heading} {text}" if re.fullmatch(r"[\d.]+[KM]?", text) else text)
    return ", ".join(parts) or "plain"


def _row_entries(table: TableSpec) -> list[_Entry]:
    out = []
    columns = len(table.columns) or 1
    for i, row in enumerate(table.rows):
        place = f"{table.place}: rows[{i}]"
        label = row_label(table, row, place)
        values = row.published if isinstance(row.published, list | tuple) else (row.published,)
        if row.published == UNKNOWN:
            values = (UNKNOWN,) * columns
        settings = flatten(row.set, f"{place}.set")
        out.append(_Entry(label, slug(label), f"{place}.set", settings, "", row.kind, row.note, tuple(values)))
    return out


def _column_entries(table: TableSpec) -> list[_Entry]:
    if not table.columns:
        title = _metric(table.metric, f"{table.place}: metric").title
        return [_Entry(title, slug(title), "", {}, table.metric)]
    out = []
    for i, column in enumerate(table.columns):
        metric = column.metric or table.metric
        place = f"{table.place}: columns[{i}]"
        label = column.label or _metric(metric, f"{place}.metric").title
        out.append(_Entry(label, slug(label), f"{place}.set", flatten(column.set, f"{place}.set"), metric, column.kind))
    return out


DECIMALS = 2
"""Of a value of ours that stands where the paper prints none; mIOUs are printed with two nearly everywhere."""


def _metric(name: str, place: str) -> Metric:
    try:
        return find_metric(name)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


UNKNOWN = "unknown"
"""Stands where a paper prints no number."""


def _number(value: Any, place: str) -> tuple[float | None, int]:
    """(value, printed decimals); "unknown" -> (None, those that ours are shown with)."""
    if value == UNKNOWN:
        return None, DECIMALS
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InputError(f'{place}: {brief(value)} is not a number. Write the printed number, or "unknown".')
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return float(value), -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _grid_of(lengths: list[int]) -> str:
    """A grid's shape in words: "3 values", "2 rows of 3 values each"."""
    if not lengths:
        return "no list"
    if len(lengths) == 1:
        return f"{lengths[0]} value{'s' * (lengths[0] != 1)}"
    each = f"{lengths[0]} values each" if len(set(lengths)) == 1 else f"{' and '.join(map(str, lengths))} values"
    return f"{len(lengths)} rows of {each}"


def _grid(table: TableSpec) -> tuple[list[_Entry], list[_Entry]]:
    """Rows (with their published values) and columns of a table with axes."""
    if len(table.axes) > 2:
        raise InputError(f"{table.place}: axes: {len(table.axes)} axes; a table has one or two. List `rows` instead.")
    if table.published and set(table.published) != {table.metric}:
        given = ", ".join(table.published)
        raise InputError(
            f"{table.place}: published: {given} given; the numbers of a table with axes are published.{table.metric}. "
            "Leave `published` out where there are none."
        )
    title = _metric(table.metric, f"{table.place}: metric").title
    rows = [_Entry(title, "", "", {})] if len(table.axes) == 1 else _axis_entries(table, 0)
    columns = _axis_entries(table, len(table.axes) - 1)
    if not table.published:
        rows = [replace(r, published=(UNKNOWN,) * len(columns)) for r in rows]
        return rows, [replace(c, metric=table.metric) for c in columns]
    matrix, place = table.published[table.metric], f"{table.place}: published.{table.metric}"
    if len(table.axes) == 1:
        matrix = [matrix]
    lengths = [len(r) if isinstance(r, list | tuple) else 1 for r in matrix] if isinstance(matrix, list | tuple) else []
    if lengths != [len(columns)] * len(rows):
        raise InputError(
            f"{place}: {_grid_of(lengths)}; the axes make {_grid_of([len(columns)] * len(rows))}. Add or remove values."
        )
    rows = [replace(r, published=tuple(values)) for r, values in zip(rows, matrix, strict=True)]
    return rows, [replace(c, metric=table.metric) for c in columns]


def _kind(table: TableSpec, row: _Entry, column: _Entry) -> CellKind:
    """A computed column is computed in every row; else the row decides, then the table, then the metric."""
    if column.kind is not None:
        return column.kind
    usual = find_metric(column.metric).kind
    return usual if usual == "computed" else row.kind or table.kind or usual


def expand(table: TableSpec) -> tuple[Cell, ...]:
    """All cells of a table, row by row, each checked against the protocol's schema."""
    if bool(table.axes) == bool(table.rows):
        raise InputError(f"{table.place}: a table needs either `axes` or `rows`. Add one of them.")
    _check_size(table)
    rows, columns = _grid(table) if table.axes else (_row_entries(table), _column_entries(table))
    for entries, name in ((rows, "rows"), (columns, "columns")):
        _check_apart(entries, f"{table.place}: {name}")
    varying = dict.fromkeys(key for entry in (*rows, *columns) for key in entry.settings)  # in the spec's order
    shared = shared_settings(table)
    usual = flat_of(build(*shared))
    default = {key: usual[key] for key in varying if key in usual}
    cells = []
    for i, row in enumerate(rows):
        printed = f"{table.place}: rows[{i}].published" if table.rows else f"{table.place}: published.{table.metric}"
        if len(row.published) != len(columns):
            count = f"{len(row.published)} values for {len(columns)} columns"
            raise InputError(f"{printed}: {count}. Give one each.")
        for j, column in enumerate(columns):
            kind = _kind(table, row, column)
            own = {} if kind == "quoted" else {**default, **column.settings, **row.settings}
            if own:
                _check(table, row, column, own, shared)
            value, decimals = _number(row.published[j], printed)
            if value is not None and find_metric(column.metric).unit == SHARE and not 0 <= value <= 100:
                raise InputError(f"{printed}: {value:g} is no share of 100 %. Write the printed number, in per cent.")
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


def _check_size(table: TableSpec) -> None:
    """Raise InputError where a table has more cells than can be worked with, before any is made."""
    sides = [len(axis.points or axis.values) for axis in table.axes] or [len(table.rows), len(table.columns) or 1]
    count = math.prod(sides)
    if count > bounds.CELLS:
        shape = " x ".join(map(str, sides))
        raise InputError(
            f"{table.place}: {shape} is {count:,} cells; a table has at most {bounds.CELLS:,}. Split it into several."
        )


def _check_apart(entries: list[_Entry], place: str) -> None:
    """Raise InputError where two rows or columns could not be told apart in the cells' ids."""
    known: dict[str, _Entry] = {}
    for entry in entries:
        other = known.setdefault(entry.slug, entry)
        if other is entry:
            continue
        if other.label == entry.label:
            raise InputError(f"{place}: {brief(entry.label)} stands twice. Give each its own label.")
        both = f"{brief(other.label)} and {brief(entry.label)}"
        raise InputError(
            f'{place}: {both} would both be "{shortened(entry.slug)}" in the ids of their cells. Write labels that '
            "differ in letters a to z or digits."
        )


def _check(table: TableSpec, row: _Entry, column: _Entry, own: Flat, shared: tuple[Flat, dict[str, str]]) -> None:
    """Build the cell's protocol once, so that a wrong value is told with the place where it was written."""
    flat, places = published_settings(table, own, shared)
    for entry in (column, row):
        for key in entry.settings:
            places[key] = entry.place if key in entry.place else f"{entry.place}.{key}"
    build(flat, places)
