"""Names of cells and settings: in the paper's words, and no two cells of a table alike."""

from __future__ import annotations

import pytest

from repro.spec.load import load_suite
from repro.spec.naming import cell_label, key_name, printed

SUITE = load_suite()


@pytest.mark.parametrize(
    ("table", "label"),
    [
        ("v3/table1", "output stride 8"),
        ("v3/table3", "(1, 1, 1), block4"),
        ("v3/table9", "batch size 4"),
        ("v3plus/table1", "8 channels"),
        ("v2/fig10", "VGG-16, before CRF, 1 px"),
        ("v3/fig4", "rate 1, 9 valid weights"),
    ],
)
def test_first_cell(table: str, label: str) -> None:
    assert cell_label(SUITE.find(table).cells()[0]) == label


def test_no_two_cells_of_a_table_share_a_label() -> None:
    """But for rows that the papers themselves print alike."""
    for table in SUITE.select(SUITE.tables):
        cells = table.cells()
        printed_alike = {(c.row_label, c.column_label, c.metric) for c in cells}
        assert len({(cell_label(c), c.metric) for c in cells}) == len(printed_alike), table.id


def test_settings_in_words() -> None:
    assert key_name("model.last_block") == "last block"
    assert key_name("evaluate.trimap_px") == "trimap"
    cell = SUITE.find("v3/table3").cells()[0]
    assert printed(cell, "1.5x") == "1.5x"
    assert printed(cell, "99") == "99"  # no setting has that value: left as it stands
