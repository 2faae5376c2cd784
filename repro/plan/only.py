"""`--only KEY=VALUE`: the cells that it leaves, and which others the claims on them would need."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from repro.errors import InputError, did_you_mean, shortened
from repro.spec.cell import Cell
from repro.spec.load import Suite
from repro.spec.questions import question
from repro.spec.reading import read_value, spelt
from repro.spec.select import FIELDS, key_names, select, value_of
from repro.spec.table import TableSpec

MOST_VALUES = 6
"""Of a key, that a message lists."""
MOST_OPTIONS = 4
"""That a message proposes at once."""

Wanted = Mapping[str, Sequence[Any]]
"""Key -> the values that are allowed."""


def choose(tables: Sequence[TableSpec], only: Sequence[str]) -> dict[str, tuple[Cell, ...]]:
    """Table id -> the cells that `--only KEY=VALUE` leaves; a key given twice allows either value.

    A single value stands also for the list of it alone: decoder=conv2. Raises InputError where nothing is left, with
    what could have been meant.
    """
    wanted = read_only(only)
    selector = {key: {"any": [*values, *((v,) for v in values)]} for key, values in wanted.items()}
    chosen: dict[str, tuple[Cell, ...]] = {}
    for table in tables:
        try:
            chosen[table.id] = select(table.cells(), selector)
        except InputError:
            chosen[table.id] = ()
    if only and not any(chosen.values()):
        raise _refusal(tables, wanted)
    return chosen


def read_only(only: Sequence[str]) -> dict[str, list[Any]]:
    """["last_block=7", "row=16"] -> {"last_block": [7], "row": ["16"]}. Raises InputError for what is no KEY=VALUE."""
    wanted: dict[str, list[Any]] = {}
    for text in only:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not value.strip():
            raise InputError(f"--only {shortened(text)}: no value. Write KEY=VALUE, for example --only last_block=7.")
        try:
            parsed = read_value(value)
        except InputError as error:
            raise InputError(f"--only {shortened(key)}: {error}") from None
        if key in FIELDS and not isinstance(parsed, str):
            parsed = value.strip()  # a label of digits is a label
        wanted.setdefault(key, []).append(parsed)
    return wanted


def option(key: str, value: Any) -> str:
    """The option that allows a value, as a shell takes it."""
    return f"--only {shlex.quote(assignment(key, value))}"


def assignment(key: str, value: Any) -> str:
    """KEY=VALUE of that option, as it is read."""
    return f"{key}={_spelt(key, value)}"


def _spelt(key: str, value: Any) -> str:
    return value if key in FIELDS and not value.startswith(('"', "'")) else spelt(value)


def _refusal(tables: Sequence[TableSpec], wanted: Wanted) -> InputError:
    """Why no cell of the tables is left."""
    pool = [cell for table in tables for cell in table.cells()]
    show = f"repro show {' '.join(table.id for table in tables[:MOST_OPTIONS])}"
    for key, values in wanted.items():
        if key not in FIELDS and not key_names(pool, key):
            known = {*FIELDS, *(k.rsplit(".", 1)[-1] for c in pool for k in c.settings)}
            hint = did_you_mean(key, known) or f" There are {', '.join(sorted(known)[:20])}."
            return InputError(f'--only {shortened(key)}: no cell has "{shortened(key)}".{hint}')
        there = {_spelt(key, value): value for value in (_value(cell, key) for cell in pool) if value is not ABSENT}
        chosen = [_spelt(key, value) for value in values]
        if not any(value in there.values() or (value,) in there.values() for value in values):
            near = _near(chosen[0], list(there))
            hint = f" Did you mean {' or '.join(option(key, there[n]) for n in near)}?" if near else ""
            listed = "; ".join(shortened(text, 60) for text in list(there)[:MOST_VALUES])
            more = f"; and {len(there) - MOST_VALUES} more, see `{show}`" if len(there) > MOST_VALUES else ""
            what = shortened(", ".join(chosen))
            return InputError(f"--only {shortened(key)}={what}: no cell has that. There are {listed}{more}.{hint}")
    return InputError(f"--only {', '.join(wanted)}: no cell fits all of it. Loosen one of them; `{show}` shows all.")


def _near(text: str, candidates: Sequence[str]) -> list[str]:
    """Up to three of `candidates` that hold the one typed, or are spelt nearly so."""
    if len(text) > LONGEST:
        return []
    holding = [candidate for candidate in candidates if text.lower() in candidate.lower()]
    return (holding or get_close_matches(text, candidates, n=3, cutoff=0.5))[:3]


LONGEST = 200
"""Letters of a word that may be a slip of a shorter one."""
ABSENT = object()


def _value(cell: Cell, key: str) -> Any:
    try:
        return value_of(cell, key)
    except KeyError:
        return ABSENT


def left_out(suite: Suite, table: TableSpec, chosen: Sequence[Cell], only: Sequence[str]) -> str:
    """Which cells of a table, left out by --only, the claims on the chosen ones need, and how to take them along.

    Empty where each chosen cell that some claim is about stands in a claim that can be judged.
    """
    ids = {cell.id for cell in chosen}
    lacking: dict[str, tuple[set[str], list[Cell]]] = {}
    whole: set[str] = set()
    for claim in table.claims if only and chosen else ():
        if claim.kind == "text" or claim.why:
            continue
        needed = question(claim, suite.cells_of(claim, table)).cells
        missing = [cell for cell in needed if cell.table == table.id and cell.id not in ids]
        if any(cell.kind == "quoted" for cell in needed):
            continue
        if missing:
            lacking[claim.id] = ids & {cell.id for cell in needed}, missing
        else:
            whole |= {cell.id for cell in needed}
    undecided = {claim: missing for claim, (there, missing) in lacking.items() if there - whole}
    if not undecided:
        return ""
    claims = list(undecided)
    more = f" and {len(claims) - MOST_OPTIONS} more" if len(claims) > MOST_OPTIONS else ""
    names = ", ".join(claims[:MOST_OPTIONS]) + more
    cells = {cell.id: cell for missing in undecided.values() for cell in missing}
    options = _allowing(tuple(cells.values()), read_only(only))
    how = f"To take them along, add {' '.join(options)}." if options else "Leave --only out to take them along."
    count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
    return f"{table.id}: --only leaves out {count} that claims need to be judged ({names}). {how}"


def _allowing(cells: Sequence[Cell], wanted: Wanted) -> list[str]:
    """Options that let cells through what is wanted; empty where they are too many to type."""
    allowing: dict[str, None] = {}
    for cell in cells:
        for key, values in wanted.items():
            value = _value(cell, key)
            if value is ABSENT:
                return []
            if (
                value not in values
                and (value[0] if isinstance(value, tuple) and len(value) == 1 else value) not in values
            ):
                allowing[option(key, value)] = None
    return list(allowing) if len(allowing) <= MOST_OPTIONS else []
