"""Charts as inline SVG: deterministic, themed and self-contained."""

import dataclasses
import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import changed, content, usual

from repro.report.charts.canvas import AxisScale, Canvas, padded
from repro.report.charts.claim_effects import evidence_plot
from repro.report.charts.heat_maps import heat_maps, measured_part
from repro.report.charts.intervals import agreement_plot, interval_plot, on_one_axis
from repro.report.charts.lines import is_series, series_plot
from repro.report.charts.training_curves import curves_plot
from repro.report.content import Curve
from repro.report.grid import grid


def charts(base) -> dict[str, str]:
    laid = grid(base)
    found = {
        "intervals": interval_plot(base),
        "agreement": agreement_plot(base),
        "heat": heat_maps(base, laid),
        "curves": curves_plot(base.curves),
    }
    return found | {claim.id: evidence_plot(claim) for claim in base.claims if claim.parts}


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return charts(usual())


def test_charts_are_wellformed_with_title_and_description(drawn):
    assert len(drawn) > 5
    for svg in drawn.values():
        root = ElementTree.fromstring(svg)
        assert [child.tag for child in root][:2] == ["title", "desc"]
        assert all(child.text for child in list(root)[:2])


def test_ids_are_unique_over_the_page_and_every_reference_resolves(drawn):
    page = "".join(drawn.values())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    references = re.findall(r'aria-labelledby="([^"]+)"', page)
    assert set(" ".join(references).split()) == set(ids)
    assert "url(" not in page


def test_colours_are_the_themes(drawn):
    for svg in drawn.values():
        assert not re.search(r"#[0-9a-f]{3,6}\b", svg)
        assert "var(--" in svg
        assert "<style" not in svg
        assert "<metadata" not in svg


def test_equal_contents_give_equal_charts(drawn):
    assert charts(content()) == drawn


def test_words_are_escaped_and_never_read_as_mathematics():
    canvas = Canvas(100, 50)
    canvas.text(5, 5, "<b>$x_1$ & y")
    svg = canvas.svg("t", "<title>", "a & b")
    assert "&lt;b&gt;$x_1$ &amp; y" in svg
    assert '<title id="t-t">&lt;title&gt;</title>' in svg


def test_numbers_in_words_keep_their_digits():
    canvas = Canvas(100, 50)
    canvas.text(5, 5, "0.123456")
    assert ">0.123456<" in canvas.svg("t", "t", "d")


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(2, 9))
def test_ticks_are_few_round_and_inside(low, span, most):
    scale = AxisScale(low, low + span, 0, 100)
    ticks = scale.ticks(most)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * span <= tick <= low + span + 1e-6 * span for tick in ticks)
    steps = {round((b - a) / span, 6) for a, b in itertools.pairwise(ticks)}
    assert len(steps) <= 1


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8))
def test_padded_scales_hold_their_values(values):
    scale = padded(values, 10, 90)
    assert all(10 <= scale(value) <= 90 for value in values)


def test_one_axis_at_scale_paper_two_below():
    paper = interval_plot(content(scale="paper", seeds=(0, 1, 2), broken=False))
    # At scale paper the published diamonds lie on our axis: the axis holds both ranges, its ticks appear once.
    assert paper.count(">72<") == 1
    tiny = interval_plot(usual())
    assert ">70<" in tiny
    assert ">50<" in tiny


def test_below_scale_paper_ranks_are_drawn_not_values():
    assert "ranks" in agreement_plot(usual())
    assert "values" in agreement_plot(content(scale="paper", broken=False))


def test_with_changed_settings_ranks_are_drawn_and_levels_stand_apart():
    shrunk = changed(content(scale="paper", broken=False))
    assert "ranks" in agreement_plot(shrunk)
    assert "ranks" in agreement_plot(changed(content(scale="paper", broken=False), cells=1))
    lower = tuple(
        dataclasses.replace(c, cell=dataclasses.replace(c.cell, published=(c.cell.published or 0) + 100))
        for c in shrunk.cells
    )
    assert not on_one_axis(dataclasses.replace(shrunk, cells=lower))


def test_numeric_columns_are_drawn_as_lines():
    curves = content(table="v3plus/fig5", broken=False)
    assert is_series(curves)
    assert is_series(usual())  # block4 to block7
    assert not is_series(content(table="v3/table4", broken=False))
    ElementTree.fromstring(series_plot(curves))
    together = series_plot(content(table="v3plus/fig5", scale="paper", broken=False))
    assert "dashed" in together


def test_heat_maps_show_measured_cells_only():
    laid = measured_part(grid(content(table="v3plus/table5", broken=False)))
    assert laid.columns == ("mIOU",)
    assert len(laid.rows) == 20


def test_a_loss_that_left_the_numbers_leaves_a_gap():
    steps = np.arange(5)
    losses = [np.array([2.0, 1.0, np.nan, np.inf, 0.5]), np.full(5, np.nan), np.array([])]
    curves = [Curve(str(k), 0, steps[: len(loss)], loss) for k, loss in enumerate(losses)]
    svg = curves_plot(curves)
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert "2 trainings" in svg


def test_lines_on_other_levels_stand_in_two_panels():
    base = content(table="v3plus/fig5", broken=False)
    lifted = tuple(
        dataclasses.replace(c, cell=dataclasses.replace(c.cell, published=(c.cell.published or 0) + 100))
        for c in base.cells
    )
    svg = series_plot(dataclasses.replace(base, cells=lifted))
    ElementTree.fromstring(svg)
    assert ">published · mIOU [%]<" in svg
    assert "dashed" not in svg
    assert ">160<" in svg
    assert ">50<" in svg
