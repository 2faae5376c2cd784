"""Whatever the numbers are, every chart and every format draws something sensible: no cell, one, equal ones, NaN."""

import dataclasses
import math
import re
import warnings
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_fixture import changed, content, plain

from repro.judge.intervals import Estimate, exact
from repro.judge.result import (
    ClaimResult,
    Differences,
    EffectResult,
    Interval,
    PairGroup,
    PairResult,
    Published,
    PublishedEffect,
    PublishedPair,
    Verdict,
)
from repro.report.charts.canvas import LEAST, AxisScale, padded
from repro.report.charts.claim_effects import evidence_plot
from repro.report.charts.crf import search_plot, step_sheet
from repro.report.charts.heat_maps import heat_maps
from repro.report.charts.intervals import agreement_plot, interval_plot
from repro.report.charts.lines import is_series, series_plot
from repro.report.charts.training_curves import curves_plot
from repro.report.content import CellResult, Curve, MeanField, Search
from repro.report.formats.frames import frames, to_csv, to_json
from repro.report.formats.html import report_html
from repro.report.formats.latex import report_latex
from repro.report.formats.markdown import report_markdown
from repro.report.grid import grid
from repro.spec.cell import Cell

ANY = st.sampled_from([0.0, 0.5, 0.5, 1.0, math.nan, math.inf, -math.inf, 1e-300, 1e300]) | st.floats(0, 1)
SCORES = st.sampled_from([0.0, 0.5, 0.5, 1.0, math.nan]) | st.floats(0, 1)
PRINTED = st.none() | st.sampled_from([0.0, 50.0, 50.0, 100.0]) | st.floats(0, 100).map(lambda v: round(v, 2))
COVERS = st.sampled_from(["images and seeds", "seeds only", "images only", "nothing", "exact"])
APART = Differences(0.001, 2.0, PairGroup("block4", 1, 4.0, True, False), PairGroup("", 1, 0.0, False, False))
FEW = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(FEW, max_examples=300)


@st.composite
def estimates(draw, scores=SCORES):
    value = draw(scores)
    low, high = sorted(draw(st.tuples(ANY, ANY)), key=lambda end: (math.isnan(end), end))
    return Estimate(value, low, high, draw(ANY), draw(ANY), draw(st.integers(0, 5)), 24, math.nan, math.nan,
                    draw(COVERS))  # fmt: skip


@st.composite
def results(draw, row: int, column: int, label: str):
    kind = draw(st.sampled_from(["measured", "measured", "measured", "computed", "quoted"]))
    states = {"measured": ["done", "done", "done", "failed", "missing"], "computed": ["computed", "missing"]}
    state = draw(st.sampled_from(states.get(kind, ["quoted"])))
    metric = "miou" if kind == "measured" else "parameters"
    published = draw(PRINTED)
    cell = Cell("deep/t", row, column, f"row {row}", label, metric, kind, {}, published, 2, f"deep/t/{row}/{column}")
    if state == "computed":
        return CellResult(cell, state, {0: 50.0}, exact(50.0))
    if state != "done":
        return CellResult(cell, state, reason="why" if state == "failed" else "")
    values = draw(st.dictionaries(st.integers(0, 3), SCORES, min_size=1, max_size=3))
    ious = draw(st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3).map(tuple))
    return CellResult(cell, state, values, draw(estimates()), class_iou=ious)


@st.composite
def claims(draw, number: int):
    ids = ("deep/t/0/0", "deep/t/0/1")
    pairs = [
        PairResult(
            f"a − b{k}", ids, draw(estimates(ANY)), ((0, draw(ANY)), (1, draw(ANY))), True, draw(ANY), exact(0.0)
        )
        for k in range(draw(st.integers(1, 2)))
    ]
    parts = [
        EffectResult(
            f"part {k}",
            draw(estimates(ANY)),
            ((0, draw(ANY)),),
            draw(ANY),
            draw(ANY),
            0.1,
            0.2,
            tuple(pairs),
            exact(0.0),
            interval=draw(st.none() | st.tuples(ANY, ANY).map(lambda ends: Interval(*ends))),
            differences=draw(st.none() | st.just(APART)),
        )
        for k in range(draw(st.integers(0, 2)))
    ]
    pair = PublishedPair("a − b", ids, draw(ANY), True, 0.5)
    printed = Published("", "", "holds", effects=(PublishedEffect("a − b", 0.0, True, 0.5, 1.0, (pair,)),))
    unit = draw(st.sampled_from(["points", "B"]))
    verdict = draw(st.sampled_from(get_args(Verdict)))
    return ClaimResult(
        f"deep.c{number}", "Deeper is better.", "greater", "miou", printed, verdict=verdict, unit=unit,
        parts=tuple(parts), seeds=(0,), p=draw(st.none() | ANY), q=draw(st.none() | ANY),
    )  # fmt: skip


@st.composite
def contents(draw, made_claims: int = 1):
    numeric = draw(st.booleans())
    columns = draw(st.sampled_from([1, 2, 8] if numeric else [1, 2]))
    labels = [str(2 * k) if numeric else f"column {k}" for k in range(columns)]
    cells = tuple(
        draw(results(row, column, label))
        for row in range(draw(st.integers(1, 2)))
        for column, label in enumerate(labels)
    )
    base = plain()
    table = dataclasses.replace(base.table, heads={})
    base = dataclasses.replace(
        base, table=table, cells=cells, scale=draw(st.sampled_from(["tiny", "paper"])), agreement=None,
        claims=tuple(draw(claims(k)) for k in range(made_claims)),
    )  # fmt: skip
    return changed(base, 1) if draw(st.booleans()) else base


def check(svg: str) -> None:
    """A chart is there, and everything in it has a place within it."""
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    width, height = (float(side) for side in re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', svg).groups())
    assert width > 0
    assert height > 0
    assert not re.search(r"\b(nan|inf)\b", re.sub(r">[^<]*<", "><", svg))
    places = re.findall(r"[ML] (-?[0-9.]+) (-?[0-9.]+)", svg) + re.findall(r'c?x="(-?[0-9.]+)" c?y="(-?[0-9.]+)"', svg)
    for x, y in places:
        assert -60 <= float(x) <= width + 60
        assert -60 <= float(y) <= height + 60


def quietly(draw, *told) -> str:
    """What NumPy and matplotlib warn of (all-NaN slices, posts outside) is an error too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return draw(*told)


def check_charts(base) -> None:
    measured = any(c.cell.kind == "measured" for c in base.cells)
    found = {
        "intervals": quietly(interval_plot, base),
        "agreement": quietly(agreement_plot, base),
        "heat": quietly(heat_maps, base, grid(base)),
    }
    if is_series(base):
        found["series"] = quietly(series_plot, base)
    for name, svg in found.items():
        if measured and name != "agreement":
            assert svg, name
        if svg:
            check(svg)


@FEW
@given(contents(made_claims=0))
def test_charts_of_any_table(base):
    check_charts(base)


@pytest.mark.slow
@MANY
@given(contents(made_claims=0))
def test_charts_of_many_tables(base):
    check_charts(base)


def check_formats(base) -> None:
    page = quietly(report_html, base)
    assert page.rstrip().endswith("</html>")
    assert report_markdown(base).endswith("\n")
    assert report_latex(base).startswith("%")
    assert b"NaN" not in to_json(base)
    assert {name: to_csv(frame).count(b"\n") for name, frame in frames(base).items()}["cells"] == 1 + len(base.cells)


@settings(FEW, max_examples=4)
@given(contents())
def test_every_format_of_any_table(base):
    check_formats(base)


@pytest.mark.slow
@MANY
@given(contents())
def test_every_format_of_many_tables(base):
    check_formats(base)


@FEW
@given(claims(0))
def test_evidence_of_any_claim(claim):
    svg = quietly(evidence_plot, claim)
    assert bool(svg) == bool(claim.parts)
    if svg:
        check(svg)


@FEW
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(ANY, max_size=4)), max_size=4))
def test_loss_curves_of_any_numbers(losses):
    curves = [Curve(label, k, np.arange(len(own)), np.array(own)) for k, (label, own) in enumerate(losses)]
    svg = quietly(curves_plot, curves)
    assert bool(svg) == any(own for _, own in losses)
    if svg:
        check(svg)


@FEW
@given(st.lists(st.tuples(st.sampled_from([4.0, 8.0]), st.sampled_from([3.0, 5.0]), st.none() | ANY), max_size=4))
def test_searches_of_any_scores(trials):
    rows = tuple((4.0, alpha, beta, score, 0) for alpha, beta, score in trials)
    check(quietly(search_plot, [Search("cell", 0, 4.0, 8.0, 3.0, rows, ("one",), 1, 2.0)]))


@pytest.mark.parametrize("score", [0.0, math.nan, math.inf])
def test_score_maps_without_any_contrast(score):
    maps = np.full((2, 5, 4), score, np.float16)
    shown = MeanField("cell", "one", 1, (0, 1), maps, maps, np.zeros((5, 4, 3), np.uint8), np.zeros((5, 4), np.uint8))
    assert len(quietly(step_sheet, shown, plain().classes).steps) == 2


@given(st.lists(ANY, max_size=5), st.sampled_from([0.0, LEAST]))
def test_an_axis_has_a_length_and_all_its_ticks_and_values_on_it(values, least):
    scale = padded(values, 10, 110, least=least)
    assert scale.low <= scale.high
    for value in (*values, *scale.ticks()):
        assert math.isnan(value) or 10 - 1e-6 <= scale(value) <= 110 + 1e-6
    assert 1 <= len(scale.ticks()) <= 8


def test_one_score_that_equals_the_published_one_lies_in_the_middle_of_one_point():
    scale = padded([73.0, 73.0], 0, 100, share=0)
    assert (scale.low, scale.high) == (72.5, 73.5)
    assert scale(73.0) == 50
    assert AxisScale(1, 1, 0, 100)(1) == 50
    assert AxisScale(1, 1, 0, 100).ticks() == [1]


def test_an_axis_names_the_metric_that_is_drawn():
    """The released checkpoints have multiply-adds in their first column; drawn are mean IOUs."""
    drawing = interval_plot(content(table="model_zoo/voc2012", broken=False, pictures=(), curves=()))
    assert "mIOU [%]" in drawing
    assert "Multiply-Adds" not in drawing
