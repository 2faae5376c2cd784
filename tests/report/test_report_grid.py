"""The paper's table in the paper's shape."""

import dataclasses

import numpy as np
import pytest
from report_fixture import SUITE, content, usual, without_results
from scipy.stats import rankdata

from repro.report.grid import difference, grid, rank_pairs
from repro.report.table_head import table_head

PAPER = [  # Paper v3, Table 3
    "68.39 73.21 75.34 75.76",
    "70.23 75.67 76.09 76.66",
    "73.14 75.78 75.96 76.11",
    "73.45 75.74 75.85 76.02",
    "71.45 74.30 74.70 74.62",
]


def test_published_values_stand_where_the_paper_has_them():
    laid = grid(usual())
    assert [" ".join(c.published for c in row.cells) for row in laid.rows] == PAPER
    assert laid.columns == ("block4", "block5", "block6", "block7")
    assert laid.headings == ("Multi-Grid",)
    assert [row.heads for row in laid.rows][1] == ("(1, 2, 1)",)


def test_order_of_cells_does_not_matter():
    base = usual()
    shuffled = dataclasses.replace(base, cells=tuple(reversed(base.cells)))
    assert grid(shuffled) == grid(base)


def test_difference_is_ours_minus_published_in_points():
    result = usual().cells[3]
    assert difference(result) == pytest.approx(100 * np.mean(list(result.values.values())) - 75.76)


def test_failed_and_missing_cells_are_shown_as_such():
    last = grid(usual()).rows[-1].cells
    assert [c.ours for c in last[2:]] == ["failed", "not run"]
    assert all(c.ours == "not run" for c in grid(without_results(usual())).cells())


def test_ranks_against_scipy():
    base = content(broken=False)
    pairs = rank_pairs(base.cells)
    published = rankdata([-c.cell.published for c in base.cells], method="min")
    ours = rankdata([-np.mean(list(c.values.values())) for c in base.cells], method="min")
    assert [pairs[c.cell.id] for c in base.cells] == list(zip(published, ours, strict=True))


def test_cells_without_a_number_have_no_rank():
    pairs = rank_pairs(usual().cells)
    assert len(pairs) == 18
    assert max(rank for pair in pairs.values() for rank in pair) == 18


def test_rows_described_by_several_columns_keep_them():
    head = table_head(SUITE.find("v3/table4"))
    assert head.headings == ("OS=16", "OS=8", "MS", "Flip")
    assert head.heads[2] == ("–", "✓", "✓", "–")


def test_a_table_with_one_axis_is_one_row():
    laid = grid(content(table="v3/table1"))
    assert laid.headings == ("output stride",)
    assert laid.columns == ("8", "16", "32", "64", "128", "256")
    assert [row.label for row in laid.rows] == ["mIOU"]
