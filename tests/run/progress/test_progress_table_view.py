from __future__ import annotations

from types import SimpleNamespace

import pytest

from repro.run.progress.table_view import CellView, table_view
from repro.spec.load import load_suite


def test_a_table_keeps_its_shape_and_its_seeds_their_order():
    cells = load_suite().find("v3/table3").cells()
    planned = [
        SimpleNamespace(
            cell=cell,
            evaluations={
                seed: SimpleNamespace(key=f"{cell.id} {seed}", training=SimpleNamespace(key=f"t {seed}"))
                for seed in (1, 0)
            },
        )
        for cell in cells
    ]
    found = table_view("v3/table3", planned)
    assert len(found.cells) == len(cells) == 20
    assert {(cell_view.row, cell_view.column) for cell_view in found.cells} == {
        (row, column) for row in range(5) for column in range(4)
    }
    assert found.cells[0].evaluations == (f"{cells[0].id} 0", f"{cells[0].id} 1")
    assert found.cells[0].trainings == ("t 0", "t 1")
    assert found.cells[0].text == ""


def test_a_cell_that_no_run_measures_shows_what_was_published():
    cell = load_suite().find("v3/table3").cells()[0]
    (cell_view,) = table_view("a table", [SimpleNamespace(cell=cell, evaluations={})]).cells
    assert cell_view.text == "68.39"
    assert cell_view.evaluations == ()
    assert isinstance(cell_view, CellView)


@pytest.mark.parametrize(
    ("table", "number", "name"),
    [
        ("v3/table3", 0, "(1, 1, 1), block4"),
        ("v3/table1", 0, "output stride 8"),
        ("v3/table4", 1, "OS=8"),
        ("v2/table3", 0, "LargeFOV, before CRF"),
    ],
)
def test_cells_are_named_without_the_metric_that_heads_their_column(table, number, name):
    cells = load_suite().find(table).cells()
    planned = [
        SimpleNamespace(cell=c, evaluations={0: SimpleNamespace(key=c.id, training=SimpleNamespace(key="t"))})
        for c in cells
    ]
    assert table_view(table, planned).cells[number].label == name
