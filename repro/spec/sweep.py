"""`--sweep KEY=VALUE,VALUE`: a table's cells with each of several values of a setting, as rows of a larger table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from repro.errors import InputError, shortened
from repro.spec import bounds
from repro.spec.cell import Cell
from repro.spec.expand import published_settings, shared_settings, slug, value_label
from repro.spec.keys import build, flat_of
from repro.spec.naming import key_name
from repro.spec.overrides import read_overrides
from repro.spec.reading import spelt

if TYPE_CHECKING:
    from repro.spec.table import TableSpec

EXAMPLE = "for example --sweep train.lr=0.004,0.008"


@dataclass(frozen=True)
class Sweep:
    """A setting and the values that it takes in turn."""

    key: str
    values: tuple[Any, ...]


def read_sweeps(texts: Sequence[str], overrides: Sequence[str] = ()) -> tuple[Sweep, ...]:
    """["train.lr=0.004,0.008"] -> (Sweep("train.lr", (0.004, 0.008)),); values are spelt as with --set.

    Raises InputError for what is no such text, a key that stands twice or in `overrides` (texts of --set) too, or a
    value that stands twice.
    """
    taken = {text.partition("=")[0].strip() for text in overrides}
    sweeps: dict[str, Sweep] = {}
    for text in texts:
        key, _, listed = text.partition("=")
        key, at = key.strip(), f"--sweep {shortened(key.strip())}"
        listed_values = _split(listed)
        if len(listed_values) < 2 or not all(listed_values):
            raise InputError(f"{at}: two values or more are needed. Write KEY=VALUE,VALUE, {EXAMPLE}.")
        if "?" in key:
            raise InputError(f"{at}: a setting that only some cells have cannot be swept. Change it with --set.")
        try:
            values = tuple(read_overrides([f"{key}={value}"])[key] for value in listed_values)
        except InputError as error:
            raise InputError(str(error).replace("--set", "--sweep", 1)) from None
        if key in sweeps or key in taken:
            raise InputError(f"{at}: the setting is given twice. Give each setting one --sweep or one --set.")
        twice = next((value for k, value in enumerate(values) if value in values[:k]), None)
        if twice is not None:
            raise InputError(f"{at}: {value_label(twice)} stands twice. Give each value once.")
        sweeps[key] = Sweep(key, values)
    return tuple(sweeps.values())


def _split(text: str) -> list[str]:
    """Parts between the commas that stand outside of brackets and quotation marks."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def swept(table: TableSpec, sweeps: Sequence[Sweep]) -> TableSpec:
    """Return a table with a row for each measured row and each combination of values; the table itself without sweeps.

    A cell keeps its published number where the combination is what was published. Claims stay behind: they are about
    the table as it was. Differences are to the published combination, else to the first. Raises InputError for a key
    that tells the table's cells apart already, a table without measured cells, or one too large.
    """
    if not sweeps:
        return table
    cells = [cell for cell in table.cells() if cell.kind == "measured"]
    if not cells:
        raise InputError(f"{table.id}: no cell of it is measured, so there is nothing to sweep. Choose another table.")
    for sweep in sweeps:
        if any(sweep.key in cell.settings for cell in cells):
            raise InputError(
                f"--sweep {sweep.key}: {table.id} varies it already. Choose its values with --only, or sweep another "
                "setting."
            )
    combinations = [
        dict(zip((s.key for s in sweeps), values, strict=True))
        for values in itertools.product(*(sweep.values for sweep in sweeps))
    ]
    if len(cells) * len(combinations) > bounds.CELLS:
        raise InputError(
            f"--sweep: {len(cells)} cells x {len(combinations)} values of {table.id} are more than {bounds.CELLS:,} "
            "cells. Sweep fewer values, or choose cells with --only."
        )
    shared, first = shared_settings(table), {row: k for k, row in enumerate(dict.fromkeys(cell.row for cell in cells))}
    made: list[Cell] = []
    baselines: dict[str, str] = {}
    settings: dict[str, dict[str, str]] = {}
    for cell in cells:
        published = flat_of(build(*published_settings(table, cell.settings, shared)))
        printed = [all(published.get(key) == value for key, value in values.items()) for values in combinations]
        row = first[cell.row] * len(combinations)
        own = [_cell(table, cell, values, row + k, printed[k]) for k, values in enumerate(combinations)]
        made += own
        for made_cell, values in zip(own, combinations, strict=True):
            settings[made_cell.id] = {key: spelt(value) for key, value in values.items()}
        baselines |= {made_cell.id: own[printed.index(True) if any(printed) else 0].id for made_cell in own}
    if len(baselines) < len(made):
        raise InputError(
            f"--sweep: two of the values would give cells of {table.id} one id. Write values that differ in letters a "
            "to z or digits."
        )
    changes: dict[str, Any] = {"claims": (), "baseline": {}}
    if table.rows:
        labels = [tuple(value_label(value) for value in values.values()) for values in combinations]
        rows = [table.rows[row] for row in first]
        changes["rows"] = tuple(
            row.model_copy(update={"printed": (*row.printed, *texts)} if row.printed else {})
            for row in rows
            for texts in labels
        )
        changes["headings"] = (*table.headings, *(key_name(sweep.key) for sweep in sweeps)) if table.headings else ()
    copy = table.model_copy(update=changes)
    copy._cells = tuple(sorted(made, key=lambda cell: (cell.row, cell.column)))
    copy._baselines, copy._swept = baselines, settings
    return copy


def _cell(table: TableSpec, cell: Cell, values: Mapping[str, Any], row: int, printed: bool) -> Cell:
    """`printed`: whether the published number is that of these values."""
    label = ", ".join(f"{key_name(key)} {value_label(value)}" for key, value in values.items())
    return replace(
        cell,
        row=row,
        row_label=label if len(table.axes) == 1 else f"{cell.row_label}, {label}",
        id="/".join([cell.id, *(f"{slug(key_name(key))}-{slug(value_label(value))}" for key, value in values.items())]),
        settings={**cell.settings, **values},
        published=cell.published if printed else None,
        row_keys=cell.row_keys | values.keys(),
    )
