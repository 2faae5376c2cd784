"""The papers audited as a whole, without any training: claims, cells printed twice, figures that can be computed.

Three questions to printed numbers only. Do they bear out what the paper says of them, and are they far enough apart to
tell (`repro.judge.published`)? Is one and the same protocol printed with two values? Does a figure that follows from
the architecture come out as printed?
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from repro.judge.published import audit, published_images
from repro.judge.result import Published
from repro.judge.wording import number
from repro.spec.cell import Basis, Cell
from repro.spec.load import Suite
from repro.spec.metric import find_metric
from repro.spec.naming import cell_label
from repro.spec.resolve import resolve
from repro.spec.table import TableSpec


@dataclass(frozen=True)
class Double:
    """Cells of different tables that print one protocol's result with different values."""

    first: Cell
    second: Cell

    @property
    def difference(self) -> float:
        """Second minus first, in the printed unit."""
        return round((self.second.published or 0.0) - (self.first.published or 0.0), 9)


@dataclass(frozen=True)
class Misprint:
    """A computed figure that does not come out as printed."""

    cell: Cell
    computed: float
    """In the printed unit."""

    @property
    def difference(self) -> float:
        """Computed minus printed."""
        return self.computed - (self.cell.published or 0.0)


@dataclass(frozen=True)
class TableAudit:
    """The claims of one table, or of a paper's text, put to what was printed."""

    id: str
    """The table's id; the paper's for claims of its text."""
    place: str
    """Such as "v3 Table 5", "v3+ text"."""
    title: str
    claims: tuple[Published, ...]


@dataclass(frozen=True)
class Audit:
    """What the papers' own numbers say."""

    tables: tuple[TableAudit, ...]
    doubles: tuple[Double, ...]
    repeats: int
    """Cells that repeat another table's protocol with the same value."""
    misprints: tuple[Misprint, ...]
    computed: int
    """Computed figures that were compared."""
    headline: tuple[str, ...]
    """Sentences in plain words, the most important first."""
    cells: Mapping[str, Cell]
    """Id -> cell, of all tables."""

    def close(self) -> tuple[tuple[TableAudit, Published], ...]:
        """Claims of which some difference is too small for single runs to tell, the hardest to tell first."""
        close = [(table, claim) for table in self.tables for claim in table.claims if too_close(claim)]
        return tuple(sorted(close, key=lambda item: share_of_limit(item[1])))

    def printed(self, cells: Sequence[str]) -> str:
        """Return what was printed for a pair of cells: "76.58 against 76.46"; empty for more than two cells."""
        if len(cells) != 2:
            return ""
        first, second = (self.cells[name] for name in cells)
        return f"{printed_number(first)} against {printed_number(second)}"

    @property
    def claims(self) -> tuple[Published, ...]:
        """All claims, in the tables' order."""
        return tuple(claim for table in self.tables for claim in table.claims)


def audit_suite(suite: Suite, computed: Mapping[str, float] | None = None) -> Audit:
    """Audit every paper of the suite. `computed`: cell id -> value in the printed unit, where it was counted.

    Raises InputError for a claim that picks no cells.
    """
    specs = _printed(suite)
    tables = [
        TableAudit(
            spec.id, place_of(spec), spec.title,
            tuple(audit(c, suite.cells_of(c, spec), images) for c in spec.claims),
        )
        for spec in specs
        for images in (published_images(suite, spec),)
    ]  # fmt: skip
    for paper in suite.papers.values():
        if paper.claims:
            audited = tuple(audit(claim, suite.cells_of(claim, None)) for claim in paper.claims)
            tables.append(TableAudit(paper.id, f"{short_name(paper.id)} text", paper.title, audited))
    doubles, repeats = _doubles(suite)
    # where the paper prints no value there is none that could be misprinted
    printed = [spec for spec in specs if not spec.source.derived]
    cells = [cell for spec in printed for cell in spec.cells() if cell.id in (computed or {})]
    misprints = tuple(
        Misprint(cell, value)
        for cell in cells
        for value in ((computed or {})[cell.id],)
        if cell.published is not None and abs(value - cell.published) > 0.5001 * 10**-cell.decimals
    )
    by_id = {cell.id: cell for spec in suite.tables.values() for cell in spec.cells()}
    result = Audit(tuple(tables), doubles, repeats, misprints, len(cells), (), by_id)
    return replace(result, headline=_headline(result, {spec.id: place_of(spec) for spec in specs}))


def place_of(spec: TableSpec) -> str:
    """Return where a table stands: "v3+ Table 1", "v2 Figure 10"."""
    kind = f"Table {spec.source.table}" if spec.source.table else f"Figure {spec.source.figure}"
    return f"{short_name(spec.paper.id)} {kind}"


def short_name(paper: str) -> str:
    """Return a paper's name as people write it: v3plus is v3+."""
    return paper.replace("plus", "+").replace("_", " ")


def printed_number(cell: Cell) -> str:
    """Return a cell's published value with the decimals it was printed with."""
    return "–" if cell.published is None else f"{cell.published:.{cell.decimals}f}"


def too_close(claim: Published) -> bool:
    """Say whether some difference that a claim rests on is too small for single runs to tell."""
    return claim.clear is not None and claim.clear < len(claim.effects)


def share_of_limit(claim: Published) -> float:
    """Return the smallest distance of a claim's differences from one that would speak otherwise, in its limit."""
    return min((effect.distance / effect.limit for effect in claim.effects if effect.limit > 0), default=math.inf)


def _printed(suite: Suite) -> list[TableSpec]:
    """Return the specs of tables and figures that stand in a paper, by its year; a suite may have others of its own."""
    specs = [spec for spec in suite.select(["all"]) if spec.source.table or spec.source.figure]
    return sorted(specs, key=lambda spec: spec.paper.year)


def _doubles(suite: Suite) -> tuple[tuple[Double, ...], int]:
    """Return cells whose published protocol equals an earlier one's but whose value differs, and how many agree."""
    first: dict[tuple[str, str], Cell] = {}
    doubles, repeats = [], 0
    for spec in _printed(suite):
        for cell in spec.cells():
            if cell.kind == "quoted" or cell.published is None:
                continue
            protocol = resolve(suite, spec, cell.settings, "paper").protocol
            before = first.setdefault((cell.metric, protocol.model_dump_json()), cell)
            if before is cell or before.table == cell.table or before.published is None:
                continue
            places = min(before.decimals, cell.decimals)
            if round(before.published, places) == round(cell.published, places):
                repeats += 1
            else:
                doubles.append(Double(before, cell))
    return tuple(doubles), repeats


def _headline(audit: Audit, places: Mapping[str, str]) -> tuple[str, ...]:
    claims = audit.claims
    testable = [c for c in claims if c.status != "not testable"]
    fails = [c for c in testable if c.status == "fails"]
    close = audit.close()
    lines = [
        f"Of {len(testable)} claims that printed numbers can decide, {len(testable) - len(fails)} hold and "
        f"{len(fails)} fail; {len(claims) - len(testable)} more say what no printed number can decide.",
        _by_basis(testable),
        f"{len(close)} rest in part on differences that single runs cannot tell apart.",
    ]
    if ordered := [(table, c) for table, c in close if c.status == "holds" and c.low == 0]:
        lines.append(_narrowest(audit, ordered))
    lines += [f"{c.id} fails: “{c.text}” {c.note}" for c in fails]
    lines += [
        f"{places[d.first.table]} prints {printed_number(d.first)} ({cell_label(d.first)}), {places[d.second.table]} "
        f"{printed_number(d.second)} ({cell_label(d.second)}) for the same protocol: no reason is given."
        for d in audit.doubles
    ]
    for same in _alike(audit.misprints):
        cell, unit = same[0].cell, find_metric(same[0].cell.metric).unit
        rows = " and ".join(f"({cell_label(m.cell)})" for m in same)
        lines.append(
            f"{places[cell.table]} {rows}: {printed_number(cell)} {unit} as printed; the network counts "
            f"{same[0].computed:.{cell.decimals}f}: {number(same[0].difference, unit)}. "
            f"Of {audit.computed} figures that follow from the architecture, "
            f"{audit.computed - len(audit.misprints)} come out as printed."
        )
    return tuple(lines)


def _by_basis(claims: Sequence[Published]) -> str:
    """Return how many hold of those that measurements, computed figures, or quoted results alone could decide."""
    kinds: tuple[tuple[Basis, str], ...] = (
        ("measured", "results that can be measured"),
        ("computed", "figures that follow from the architecture"),
        ("printed", "quoted results, which nobody outside can measure"),
    )
    of = {basis: [claim for claim in claims if claim.basis == basis] for basis, _ in kinds}
    counts = [
        f"{sum(c.status == 'holds' for c in of[basis])} of {len(of[basis])} about {what}"
        for basis, what in kinds
        if of[basis]
    ]
    return f"Counted apart, these hold: {'; '.join(counts)}."


def _alike(misprints: Sequence[Misprint]) -> list[list[Misprint]]:
    """Return misprints in groups of one table, one printed and one computed value."""
    groups: dict[tuple[str, float | None, float], list[Misprint]] = {}
    for m in misprints:
        groups.setdefault((m.cell.table, m.cell.published, round(m.computed, m.cell.decimals)), []).append(m)
    return list(groups.values())


def _narrowest(audit: Audit, claims: Sequence[tuple[TableAudit, Published]]) -> str:
    """Return the claims of an order whose whole point is a difference far below what single runs can tell."""
    effects = [(table, claim, claim.effects[claim.decisive]) for table, claim in claims]
    effects = sorted((f for f in effects if len(f[2].cells) == 2), key=lambda f: f[2].distance / f[2].limit)
    named = [f"{table.place}, {audit.printed(p.cells)} ({p.value:.2f}; {claim.id})" for table, claim, p in effects[:7]]
    return f"The smallest of them, in points: {'; '.join(named)}."
