"""The resolved protocol of every measured cell at scale paper is what the papers and their code say."""

from __future__ import annotations

from typing import Any

import pytest
from paper_facts import CELLS, CRF, PAPER, TABLE

from repro.spec.cell import Cell
from repro.spec.keys import flat_of
from repro.spec.load import Suite
from repro.spec.resolve import resolve

FIGURES = ("v2/fig10", "v3plus/fig5")
FEWEST_FACTS = 45


def _measured(suite: Suite, table: str) -> list[Cell]:
    return [cell for cell in suite.find(table).cells() if cell.kind == "measured"]


def _resolved(suite: Suite, table: str, cell: Cell) -> dict[str, Any]:
    found = resolve(suite, suite.find(table), cell.settings, "paper")
    assert found.deviations == ()
    return flat_of(found.protocol)


def _differing(found: dict[str, Any], facts: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    given = {key: CRF if value == CRF else value for key, value in facts.items()}
    told = {key: CRF if given[key] == CRF and found[key] is not None else found[key] for key in given}
    return {key: (told[key], given[key]) for key in given if told[key] != given[key]}


def test_every_table_with_measured_cells_has_its_facts(suite: Suite) -> None:
    papers = {t for t in suite.tables if not t.startswith(("pitfalls/", "implementations/")) and _measured(suite, t)}
    assert papers == set(TABLE) == set(CELLS)


@pytest.mark.parametrize("table", [t for t in TABLE if t not in FIGURES])
def test_each_cell_is_resolved_as_the_paper_says(suite: Suite, table: str) -> None:
    cells = _measured(suite, table)
    assert len(cells) == len(CELLS[table])
    for cell, own in zip(cells, CELLS[table], strict=True):
        facts = {**PAPER[table.split("/")[0]], **TABLE[table], **own}
        assert len(facts) >= FEWEST_FACTS
        assert _differing(_resolved(suite, table, cell), facts) == {}, cell.id


def test_no_two_cells_of_a_table_have_the_same_facts() -> None:
    for table, cells in CELLS.items():
        assert len({repr(sorted(facts.items())) for facts in cells}) == len(cells), table


@pytest.mark.parametrize("table", FIGURES)
def test_curves_are_trimaps_of_models_in_the_tables(suite: Suite, table: str) -> None:
    paper = table.split("/")[0]
    backbone_free = [k for k in PAPER[paper] if not k.startswith("model.") and k not in ("evaluate.crf",)]
    widths = set()
    for cell in _measured(suite, table):
        found = _resolved(suite, table, cell)
        widths.add(found["evaluate.trimap_px"])
        changed = {k for k in backbone_free if found[k] != PAPER[paper][k]}
        if paper == "v2":
            assert changed <= {"train.lr", "train.batch_norm", "train.start", "train.scales"}, cell.id
        else:
            assert changed <= {"train.weight_decay"}, cell.id
    assert min(widths) == 1
    assert max(widths) == 40
