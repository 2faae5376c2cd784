"""What changed since the report before."""

import dataclasses

import numpy as np
import pytest
from report_fixture import plain

from repro.judge.intervals import estimate
from repro.report.changes import Change, changes, read_data
from repro.report.html import report_html
from repro.report.write import write_report


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
    before["cells"][0]["value"] = 0.4
    found = changes(before, moved)
    assert found[0] == Change("(1, 1, 1), block4", "40.00", "51.00", "+11.00")
    # Cells that had no number before have no difference; cells without one before and now did not change.
    assert found[1].before == found[1].change == "–"
    assert len(found) == 18


def test_another_scale_or_table_is_no_report_before(moved):
    rows = [{"id": moved.cells[0].cell.id, "value": 0.4}]
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
