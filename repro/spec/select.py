"""Pick cells by what they set, and pair them.

A selector is a table {key = value}. A key is a dotted protocol key or its last part, or one of `row`, `column`
(labels), `table` (an id), `metric`. A value is matched by equality, or {any = [...]}, or {not = value}. {} picks all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from repro.errors import InputError, did_you_mean
from repro.spec.explain import brief, shown
from repro.spec.scales import fits

if TYPE_CHECKING:
    from repro.spec.table import Cell

Conditions = Mapping[str, Any]
FIELDS = {"row": "row_label", "column": "column_label", "table": "table", "metric": "metric"}


def key_names(cells: Iterable[Cell], name: str) -> tuple[str, ...]:
    """The dotted keys among the cells' settings that `name` may mean."""
    known = {key for cell in cells for key in cell.settings}
    return (name,) if name in known else tuple(sorted(k for k in known if k.rsplit(".", 1)[-1] == name))


def value_of(cell: Cell, name: str, among: Iterable[Cell] | None = None) -> Any:
    """The value that `name` (a selector key) has in a cell; KeyError where the cell has none.

    Raises InputError where two keys of that name have different values: the full key is then needed.
    """
    if name in FIELDS:
        return getattr(cell, FIELDS[name])
    names = key_names(among if among is not None else (cell,), name)
    values = [cell.settings[key] for key in names if key in cell.settings]
    if not values:
        raise KeyError(name)
    if any(v != values[0] for v in values):
        raise InputError(f'selector key "{name}" may mean {" or ".join(names)}. Write the full key.')
    return values[0]


def _reader(pool: tuple[Cell, ...], name: str) -> Callable[[Cell], Any]:
    """How to read what `name` means in a cell of the pool (`value_of`); KeyError where the cell has none."""
    if name not in FIELDS:
        names = key_names(pool, name)
        if len(names) == 1:  # as nearly always: no cell can mean another
            return lambda cell: cell.settings[names[0]]
    return lambda cell: value_of(cell, name)


def _matching(pool: tuple[Cell, ...], selector: Conditions) -> tuple[Cell, ...]:
    for name, wanted in selector.items():
        read, left = _reader(pool, name), []
        for cell in pool:
            try:
                value = read(cell)
            except KeyError:
                continue
            if fits(value, wanted):
                left.append(cell)
        pool = tuple(left)
    return pool


def select(cells: Iterable[Cell], selector: Conditions) -> tuple[Cell, ...]:
    """The cells that a selector picks, in order. Raises InputError where it picks none, with near misses."""
    pool = tuple(cells)
    picked = _matching(pool, selector)
    if picked:
        return picked
    for name, wanted in selector.items():
        if name not in FIELDS and not key_names(pool, name):
            known = {*FIELDS, *(k.rsplit(".", 1)[-1] for c in pool for k in c.settings)}
            hint = did_you_mean(name, known)
            hint = hint or f" There are {', '.join(sorted(known))}."
            raise InputError(f'selector {_spelt(selector)}: no cell has "{name}".{hint}')
        values = list(dict.fromkeys(shown(value_of(c, name)) for c in pool if name in FIELDS or _has(c, name)))
        if not _matching(pool, {name: wanted}):
            hint = did_you_mean(str(_plain(wanted)), [v.strip('"') for v in values])
            message = f"{name} has no value {shown(_plain(wanted))}; it has {', '.join(values)}."
            raise InputError(f"selector {_spelt(selector)}: {message}{hint or ' Name one of these.'}")
    raise InputError(f"selector {_spelt(selector)}: no cell fits all of it. Loosen one of its keys.")


def _plain(wanted: Any) -> Any:
    """A choice of one value is that value."""
    if isinstance(wanted, dict) and list(wanted) == ["any"] and isinstance(wanted["any"], list | tuple):
        return wanted["any"][0] if len(wanted["any"]) == 1 else wanted
    return wanted


def _spelt(selector: Conditions) -> str:
    return shown({key: _plain(wanted) for key, wanted in selector.items()})


def _has(cell: Cell, name: str) -> bool:
    return bool(key_names((cell,), name))


def _named(cells: tuple[Cell, ...], *selectors: Conditions) -> set[str]:
    """The settings that selectors speak of; a row's label speaks of all that rows decide, likewise a column's."""
    named: set[str] = set()
    for name in dict.fromkeys(name for selector in selectors for name in selector):
        if name == "row":
            named |= {"row_label", *(k for c in cells for k in c.row_keys)}
        elif name == "column":
            named |= {"column_label", *(k for c in cells for k in c.column_keys)}
        elif name not in FIELDS:
            named.update(key_names(cells, name))
    return named


def alike(a: Cell, b: Cell, named: set[str]) -> bool:
    """Whether two cells agree on every setting outside `named` that both have."""
    return all(a.settings[k] == b.settings[k] for k in a.settings.keys() & b.settings.keys() - named)


def pairs(
    cells: Iterable[Cell], left: Conditions, right: Conditions, where: Conditions | None = None
) -> tuple[tuple[Cell, Cell], ...]:
    """(left cell, right cell) wherever the two agree on all settings that neither selector names, and on the metric.

    A single left and a single right cell are a pair whatever they set. Raises InputError where a selector picks
    nothing, nothing pairs, or a left cell would have several partners.
    """
    pool = select(cells, where or {})
    lefts, rights = select(pool, left), select(pool, right)
    if len(lefts) == 1 and len(rights) == 1:
        return ((lefts[0], rights[0]),)
    named = _named(pool, left, right)
    both = f"selectors {brief(dict(left))} and {brief(dict(right))}"
    partners_of = _index(rights, named)
    out = []
    for a in lefts:
        partners = partners_of(a)
        if len(partners) > 1:
            two = f"{partners[0].id} and {partners[1].id}"
            raise InputError(f"{both}: {a.id} fits {two}. Name one more key.")
        out += [(a, b) for b in partners if b is not a]
    if not out:
        raise InputError(f"{both}: no two cells differ in only these. Check their values.")
    return tuple(out)


def paired_with(baseline: Conditions, cells: Iterable[Cell]) -> dict[str, str]:
    """Cell id -> id of the baseline cell that a measured cell is compared with; baseline cells with themselves.

    It is the one in the same column, else in the same row, else the only one of its metric. Raises InputError where
    the selector picks none.
    """
    measured = tuple(cell for cell in cells if cell.kind == "measured")
    chosen = select(measured, baseline)
    partners = {cell.id: cell.id for cell in chosen}
    for cell in measured:
        own = [candidate for candidate in chosen if candidate.metric == cell.metric]
        column = [candidate for candidate in own if candidate.column == cell.column]
        row = [candidate for candidate in own if candidate.row == cell.row]
        partner = next((group[0] for group in (column, row, own) if len(group) == 1), None)
        if partner is not None:
            partners.setdefault(cell.id, partner.id)
    return partners


def _index(cells: Iterable[Cell], named: set[str]) -> Callable[[Cell], list[Cell]]:
    """For a cell, those of `cells` that are `alike` it, of its metric and on its line: looked up, not tried each."""
    by_keys: dict[frozenset[str], list[Cell]] = {}
    for cell in cells:
        by_keys.setdefault(frozenset(cell.settings), []).append(cell)
    looked: dict[tuple[frozenset[str], frozenset[str]], dict[Any, list[Cell]]] = {}

    def partners(cell: Cell) -> list[Cell]:
        out: list[Cell] = []
        for keys, others in by_keys.items():
            shared = keys & cell.settings.keys() - named
            lines = _lines(named) if not keys and not cell.settings else ()
            known = looked.get((keys, shared))
            if known is None:
                known = looked[keys, shared] = {}
                for other in others:
                    known.setdefault(_mark(other, shared, lines), []).append(other)
            out += known.get(_mark(cell, shared, lines), [])
        return out

    return partners


def _mark(cell: Cell, shared: frozenset[str], lines: tuple[str, ...]) -> Any:
    """What two cells have in common that are a pair."""
    settings = tuple(_hashable(cell.settings[key]) for key in sorted(shared))
    return cell.metric, settings, tuple(getattr(cell, line) for line in lines)


def _hashable(value: Any) -> Any:
    return tuple(sorted((k, _hashable(v)) for k, v in value.items())) if isinstance(value, dict) else value


def _lines(named: set[str]) -> tuple[str, ...]:
    """Cells without settings (quoted ones) pair by the labels that no selector names."""
    return tuple(label for label in ("row_label", "column_label") if label not in named)
