"""Rank agreement by hand and by simulation; closeness and headline on made-up cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from repro.judge.agreement import TOLERANCE, CellCounts, agreement, headline, kendall, tau_interval
from repro.judge.evidence import Evidence
from repro.studies.worlds import table_of


@pytest.mark.parametrize("tau", [0.0, 0.4, 0.7, 0.9])
@pytest.mark.parametrize("cells", [8, 12, 20])
def test_interval_of_tau_covers(tau: float, cells: int) -> None:
    """Cells as a sample of normal variables whose tau is 2/pi asin(rho); 6,000 tables, simulation error 0.3 points."""
    rng = np.random.default_rng([cells, int(10 * tau)])
    rho = math.sin(math.pi * tau / 2)
    x, noise = rng.normal(size=(2, 6000, cells))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    first, second = np.triu_indices(cells, 1)
    found = np.sign((x[:, first] - x[:, second]) * (y[:, first] - y[:, second])).mean(axis=1)
    values, counts = np.unique(np.round(found, 12), return_counts=True)
    ends = np.array([tau_interval(float(value), cells) for value in values])
    inside = (ends[:, 0] <= tau) & (tau <= ends[:, 1])
    assert counts[inside].sum() / counts.sum() == pytest.approx(0.95, abs=0.02)


def test_tau_b_shares_ties_and_needs_four_cells() -> None:
    published, measured = [67.64, 63.74, 67.14, 67.64], [0.5, 0.4, 0.3, 0.6]
    # v2 Table 1 prints 67.64 twice: 5 pairs differ in it, 4 in our order, 1 against; 6 pairs differ in ours
    assert kendall(published, measured).value == pytest.approx(3 / math.sqrt(5 * 6))
    assert math.isnan(kendall([1, 2, 3], [1, 2, 3]).low)
    same = kendall([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert same.value == same.high == 1
    assert -1 < same.low < 1
    assert math.isnan(kendall([1.0], [2.0]).value)


def measured(values: list[list[float]], **more: Any) -> Evidence:
    """Values by cell and seed, in [0, 1]."""
    return Evidence({(f"made/up/{k}", s): v for k, row in enumerate(values) for s, v in enumerate(row)}, **more)


def test_below_scale_paper_only_the_order_counts() -> None:
    cells = table_of(4)  # published 50, 51, 52, 53
    found = agreement(cells, measured([[0.1], [0.3], [0.2], [0.4]]), "tiny")
    assert found.cells == 4
    assert found.concordant == pytest.approx(5 / 6)
    assert found.tau.value == pytest.approx(4 / 6)
    assert found.tolerance is None
    assert not found.closeness
    assert "83 %" in found.sentence
    assert "absolute" in headline(found, ())


def test_cells_that_are_level_are_not_ahead() -> None:
    found = agreement(table_of(4), measured([[0.1], [0.1], [0.1], [0.4]]), "tiny")  # published 50, 51, 52, 53
    assert found.concordant == pytest.approx(3 / 6)
    assert "50 % of the pairs of 4 cells are ranked as in the paper, 50 % are level (Kendall's tau-b" in found.sentence
    assert "level" not in agreement(table_of(3), measured([[0.1], [0.2], [0.3]]), "tiny").sentence
    assert math.isnan(agreement(table_of(3), measured([[0.1], [0.1], [0.1]]), "tiny").concordant)


def test_closeness_at_scale_paper() -> None:
    cells = table_of(4)
    rows = [[0.499, 0.502, 0.500], [0.5161, 0.5160, 0.5159], [0.5401, 0.5400, 0.5399], [0.4, 0.6, 0.55]]
    found = agreement(cells, measured(rows), "paper")
    assert list(found.closeness.values()) == ["within interval", "within tolerance", "off", "within interval"]
    assert found.within == ((0.5, 1), (1.0, 2), (2.0, 4))
    assert TOLERANCE.reason in found.sentence


def test_changed_settings_are_not_held_against_printed_values() -> None:
    cells = table_of(4)
    evidence = measured([[0.1, 0.1], [0.51, 0.5101], [0.2, 0.2], [0.4, 0.4]])  # published 50, 51, 52, 53
    departures = {cell.id: ("model.width", "train.crop") for cell in cells}
    all_changed = agreement(cells, evidence, "paper", departures=departures)
    assert all_changed.tolerance is None
    assert not all_changed.closeness
    assert not all_changed.within
    said = headline(all_changed, ())
    assert "of the pairs of 4 cells" in said
    assert "settings other than the paper's (model.width, train.crop): that says nothing about absolute values" in said
    assert "interval" not in said.split("Measured with")[1]

    but_one = {key: value for key, value in departures.items() if key != cells[1].id}
    mixed = agreement(cells, evidence, "paper", departures=but_one)
    assert dict(mixed.closeness) == {cells[1].id: "within interval"}
    assert mixed.within[-1] == (2.0, 1)  # not the three others, which are far away
    assert (mixed.cells, mixed.changed) == (4, 3)
    assert headline(mixed, ()).startswith("Of 1 cells, 1 have the published value inside")
    assert "Of 4 cells, 3 cells measured with settings other than the paper's" in headline(mixed, ())
    assert mixed.tau == agreement(cells, evidence, "tiny").tau
    # a smaller scale says it all by itself
    assert agreement(cells, evidence, "tiny", departures=departures).changed == 0


def test_cells_without_both_numbers_are_left_out() -> None:
    found = agreement(table_of(3), measured([[0.1]]), "tiny")
    assert found.cells == 1
    assert "Too few" in found.sentence
    assert headline(agreement(table_of(3), Evidence({}), "tiny"), ()) == "Nothing here has been measured yet."


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=12))
def test_tau_equals_scipys(points):
    first, second = zip(*points, strict=True)
    expected = float(kendalltau(first, second).statistic)
    assert kendall(first, second).value == pytest.approx(expected, nan_ok=True)


def test_headline_of_tables_without_measured_cells() -> None:
    nothing = agreement([], Evidence({}), "tiny")
    assert headline(nothing, (), CellCounts(quoted=18)).startswith("All 18 numbers here are quoted")
    assert headline(nothing, (), CellCounts(quoted=1)).startswith("Its one number is quoted")
    assert headline(nothing, (), CellCounts(computed=14, equal=12)) == "12 of 14 computed figures come out as printed."
    drawn = headline(nothing, (), CellCounts(computed=33, equal=33, derived=True))
    assert drawn == "33 of 33 computed figures come out as the figure's definition gives; the paper prints no values."
    unpublished = headline(nothing, (), CellCounts(measurable=2, alone=2))
    assert unpublished == "2 numbers were measured; the paper gives none to compare with."
    assert headline(nothing, (), CellCounts(measurable=3, quoted=2)) == "Nothing here has been measured yet."


def test_order_where_all_are_tied_is_not_called_too_few() -> None:
    cells = table_of(5)
    tied = agreement(cells, Evidence({(c.id, 0): 0.5 for c in cells}), "smoke")
    assert tied.sentence == "No two of 5 cells differ both in the paper and here: there is no order to compare."
    assert agreement(cells[:1], Evidence({(cells[0].id, 0): 0.5}), "smoke").sentence.startswith("Too few cells")


def test_intervals_that_would_hold_anything_are_no_agreement() -> None:
    """Published 50, 51 and 52; the first two seeds differ by 10 points, the second two hardly."""
    cells = table_of(3)
    scores = {(cells[0].id, 0): 0.45, (cells[0].id, 1): 0.55, (cells[1].id, 0): 0.5099, (cells[1].id, 1): 0.5101}
    scores |= {(cells[2].id, 0): 0.6, (cells[2].id, 1): 0.6001}
    said = agreement(cells, Evidence(scores), "paper").sentence
    assert said.startswith("Of 3 cells, 2 have the published value inside our 95 % interval (1 of them too noisy")
    assert "0 more are within 1 point of it, 1 is off" in said
