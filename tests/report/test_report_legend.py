"""Marks: what may be said of a cell, and at which scale."""

import dataclasses
import math

import pytest
from report_fixture import usual

from repro.judge.intervals import Estimate, exact
from repro.report.content import CellResult
from repro.report.legend import LEGEND, mark_of

CELL = dataclasses.replace(usual().cells[0].cell, published=70.0, decimals=2)


def measured(value: float, half: float, covers: str = "images and seeds") -> CellResult:
    low, high = (value - half, value + half) if covers != "nothing" else (math.nan, math.nan)
    estimate = Estimate(value, low, high, half / 2, 4.0, 5, 120, half / 2, half / 2, covers)
    return CellResult(CELL, "done", {0: value}, estimate)


@pytest.mark.parametrize(
    ("value", "half", "mark"),
    [
        (0.702, 0.005, "agrees"),
        (0.712, 0.005, "above"),
        (0.708, 0.005, "agrees"),
        (0.688, 0.005, "below"),
        (0.702, 0.02, "noisy"),
        (0.60, 0.02, "below"),
    ],
)
def test_measured_at_scale_paper(value, half, mark):
    assert mark_of(measured(value, half), "paper") == mark


@pytest.mark.parametrize("scale", ["small", "tiny", "smoke"])
@pytest.mark.parametrize("value", [0.2, 0.7, 0.9])
def test_below_scale_paper_no_absolute_value_is_judged(scale, value):
    assert mark_of(measured(value, 0.001), scale) == "incomparable"


@pytest.mark.parametrize("value", [0.2, 0.7, 0.9])
def test_with_changed_settings_no_absolute_value_is_judged(value):
    changed = dataclasses.replace(measured(value, 0.001), departures=("model.width",))
    assert mark_of(changed, "paper") == "incomparable"


def test_without_an_interval_nothing_can_be_told():
    assert mark_of(measured(0.7, 0.0, "nothing"), "paper") == "noisy"


@pytest.mark.parametrize(("value", "mark"), [(81.0170, "agrees"), (81.03, "above"), (81.01, "below")])
@pytest.mark.parametrize("scale", ["paper", "tiny"])
def test_computed_cells_are_compared_as_printed_at_every_scale(value, mark, scale):
    # Paper v3+, Table 3: 81.02 B multiply-adds at output stride 16; the printed decimals decide.
    cell = dataclasses.replace(CELL, metric="multiply_adds", kind="computed", published=81.02)
    assert mark_of(CellResult(cell, "computed", {0: value}, exact(value)), scale) == mark


def test_marks_of_computed_cells_do_not_speak_of_points():
    for mark in ("agrees", "above", "below"):
        _, _, computed = LEGEND[mark].meaning.partition("; computed cells: ")
        assert computed
        assert "point" not in computed


def test_states_without_a_number():
    assert mark_of(CellResult(CELL, "failed", reason="x"), "paper") == "failed"
    assert mark_of(CellResult(CELL, "missing"), "tiny") == "missing"
    assert mark_of(CellResult(CELL, "quoted"), "paper") == "quoted"


def test_marks_differ_in_print_without_colour():
    symbols = [entry.symbol for entry in LEGEND.values()]
    assert len(set(symbols)) == len(symbols) == 8
