"""What changed since the report before."""

import dataclasses

import numpy as np
import pytest
from report_fixture import plain

from repro.judge.intervals import estimate
from repro.report.changes import Change, changes, changes_line, read_data
from repro.report.formats.html import report_html
from repro.report.formats.write import write_report


@pytest.fixture(scope="module")
def moved():
    """The plain content with one cell measured anew: 0.50 and 0.52."""
    base = plain()
    scores = {0: 0.50, 1: 0.52}
    first = dataclasses.replace(base.cells[0], values=scores, estimate=estimate(np.array([0.50, 0.52])))
    return dataclasses.replace(base, cells=(first, *base.cells[1:]))


def test_a_cell_that_moved_is_told_once_and_again_until_the_next_change(tmp_path, moved):
    page = tmp_path / "v3-table3.html"
    write_report(plain(), tmp_path, ("html",))
    assert "Since the report before" not in page.read_text()
    write_report(moved, tmp_path, ("html",))
    told = page.read_bytes()
    assert "Since the report before" in told.decode()
    write_report(moved, tmp_path, ("html",))
    assert page.read_bytes() == told


def test_what_is_told(moved):
    before = {"table": "v3/table3", "scale": "tiny", "cells": [{"id": c.cell.id, "value": None} for c in plain().cells]}
    before["cells"][0]["value"] = 40.0
    found = changes(before, moved)
    assert changes({**before, "schema": 1, "cells": [{**before["cells"][0], "value": 0.4}]}, moved)[0] == found[0]
    assert found[0] == Change("(1, 1, 1), block4", "40.00", "51.00", "+11.00")
    # Cells that had no number before have no difference; cells without one before and now did not change.
    assert found[1].before == found[1].change == "–"
    assert len(found) == 18


def test_another_scale_or_table_is_no_report_before(moved):
    rows = [{"id": moved.cells[0].cell.id, "value": 40.0}]
    assert changes({"table": "v3/table3", "scale": "paper", "cells": rows}, moved) == ()
    assert changes({"table": "v3/table2", "scale": "tiny", "cells": rows}, moved) == ()
    assert changes(None, moved) == ()


@pytest.mark.parametrize("text", ["", "<html>", '<script type="application/json" id="report-data">{"a":</script>',
                                  '<script type="application/json" id="report-data">[1]</script>'])  # fmt: skip
def test_files_that_are_no_reports(tmp_path, text):
    (tmp_path / "x.html").write_text(text)
    assert read_data(tmp_path / "x.html") is None
    assert read_data(tmp_path / "absent.html") is None


def test_data_survive_the_page(tmp_path):
    (tmp_path / "x.html").write_text(report_html(plain()))
    assert read_data(tmp_path / "x.html")["cells"][0]["published"] == 68.39


def test_many_changes_are_folded_behind_one_line():
    """A first measurement changes every cell: the line says so, the list is a click away."""
    new = [Change(f"cell {k}", "–", "51.00", "–") for k in range(18)]
    page = report_html(plain(), new)
    assert "18 cells: 18 measured for the first time" in page
    assert "Since the report before: 18 cells" in page
    moved = [Change("a", "40.00", "51.00", "+11.00"), Change("b", "40.00", "–", "–")]
    assert changes_line(moved) == "2 cells: 1 changed, 1 without a number now"
    assert "Since the report before: 2 cells" in report_html(plain(), moved)
