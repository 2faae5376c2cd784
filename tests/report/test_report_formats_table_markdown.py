"""The table alone as Markdown."""

import dataclasses
import re

from report_fixture import content, usual

from repro.report.formats.table_markdown import table_markdown
from repro.report.grid import grid


def lines(page):
    return [[part.strip() for part in line.strip("|").split("|")] for line in page.split("\n") if line.startswith("|")]


def test_it_has_the_table_and_nothing_else():
    page = table_markdown(usual())
    table = lines(page)
    assert len(table) == 2 + 2 * 5
    assert {len(row) for row in table} == {6}
    assert table[2] == ["(1, 1, 1)", "published", "68.39", "73.21", "75.34", "75.76"]
    assert len(page.strip().split("\n\n")) == 3
    assert "n/c" not in page


def test_bold_is_the_best_of_its_column_and_only_that():
    laid = grid(usual())
    for k in range(4):
        measured = [row.cells[k] for row in laid.rows if row.cells[k].n]
        best = max(measured, key=lambda cell: cell.result.estimate.value)
        assert [cell for cell in measured if cell.best_ours] == [best]
        assert f"**{best.ours}**" in table_markdown(usual())


def test_equal_numbers_share_the_bold_and_lower_can_be_better():
    base = content(broken=False)
    same = dataclasses.replace(base.cells[4], estimate=base.cells[0].estimate, values=base.cells[0].values)
    top = [c for c in base.cells if c.cell.column == 0 and c.cell.row > 1]
    low = {c.cell.id: dataclasses.replace(c, estimate=dataclasses.replace(c.estimate, value=0.1)) for c in top}
    cells = tuple(same if c is base.cells[4] else low.get(c.cell.id, c) for c in base.cells)
    laid = grid(dataclasses.replace(base, cells=cells))
    assert [row.cells[0].best_ours for row in laid.rows] == [True, True, False, False, False]


def test_ours_only_and_tables_without_published_numbers_are_alike():
    base = usual()
    bare = tuple(dataclasses.replace(c, cell=dataclasses.replace(c.cell, published=None)) for c in base.cells)
    page = table_markdown(dataclasses.replace(base, cells=bare))
    assert page == table_markdown(base, ours_only=True)
    assert "published" not in page
    assert {len(row) for row in lines(page)} == {5}
    assert re.search(r"\| \*\*\d\d\.\d\d\*\* \(", page)


def test_quoted_rows_have_no_line_of_ours():
    page = table_markdown(content(table="v3plus/table6"))
    assert "Rows without ours are quoted results" in page
    assert {row[1] for row in lines(page)[2:]} == {"published"}
    assert " – " not in page
