"""Charts as files: the page's drawings, drawn again by matplotlib."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from report_fixture import content, usual

from repro.report.charts.canvas import OUTLINES, Canvas
from repro.report.formats.figures import DOTS, PRINTED, figures, matplotlib_figure, picture, write_figures


def image(canvas):
    """RGB in [0, 255] of a drawing as PNG, made small: one pixel for each point."""
    png = Image.open(io.BytesIO(picture(matplotlib_figure(canvas.svg("a", "t", "d")), "png", "a"))).convert("RGB")
    return np.asarray(png.resize((round(canvas.width), round(canvas.height)), Image.Resampling.BOX)).astype(int)


def test_everything_lies_where_the_canvas_put_it():
    canvas = Canvas(100, 60)
    canvas.box(10, 20, 30, 15, "ink")
    canvas.line([60, 90], [50, 50], "ink", 4)
    canvas.marks([75], [20], "ink", "o", 12)
    dark = image(canvas).sum(axis=2) < 300
    rows, columns = np.nonzero(dark[:, :50])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 34, 10, 39)
    rows, columns = np.nonzero(dark[30:, 50:])
    assert (rows.min() + 30, rows.max() + 30, columns.min() + 50, columns.max() + 50) == (48, 51, 60, 89)
    rows, columns = np.nonzero(dark[:30, 50:])
    assert rows.mean() == pytest.approx(19.5, abs=0.6)
    assert columns.mean() + 50 == pytest.approx(74.5, abs=0.6)
    assert np.pi * 36 == pytest.approx(dark[:30, 50:].sum(), rel=0.15)


def test_every_kind_of_element_can_be_drawn():
    canvas = Canvas(80, 40)
    for k, marker in enumerate(OUTLINES):
        canvas.marks([5 + 8 * k], [10], "row1", marker, 6, hollow=bool(k % 2), edge="raised")
    canvas.band([1, 20, 40], [30, 31, 32], [35, 36, 37], "accent", 0.3)
    canvas.line([1, float("nan"), 20, 30], [20, 20, 21, 22], "ink", dashes=(4, 3), round_ends=True)
    canvas.text(5, 30, "α < β & $x$", bold=True, align="center")
    assert len(np.unique(image(canvas).reshape(-1, 3), axis=0)) > 20
    with pytest.raises(ValueError, match="<image>"):
        matplotlib_figure('<svg viewBox="0 0 1 1"><image/></svg>')


def test_a_report_has_every_chart_of_its_page_once():
    found = figures(usual())
    assert {"lines", "intervals", "agreement", "heat", "curves"} <= found.keys()
    assert {name for name in found if name.startswith("claim-")} == {
        f"claim-{claim.id.replace('.', '-')}" for claim in usual().claims if claim.parts
    }
    assert "forest" in figures(content(table="pitfalls/deeplabv3"))


@pytest.mark.parametrize("table", ["v3/table3", "pitfalls/deeplabv3"])
def test_no_lettering_leaves_the_figure(table):
    """At the printed width, in matplotlib's own typeface."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    for name, drawing in figures(content(table=table, seeds=(0,))).items():
        if name.startswith("claim-") and name != "claim-v3-t3-c1":
            continue  # they are alike
        figure = matplotlib_figure(drawing)
        renderer = FigureCanvasAgg(figure).get_renderer()
        whole = figure.bbox
        for text in figure.axes[0].texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= whole.x0 - 2, (name, text.get_text())
            assert box.x1 <= whole.x1 + 2, (name, text.get_text())


def test_files(tmp_path, monkeypatch):
    from repro.report.formats import figures as module

    drawing = {"heat": figures(usual())["heat"]}
    monkeypatch.setattr(module, "figures", lambda _: drawing)
    paths = write_figures(usual(), "v3-table3", tmp_path / "new")
    assert [path.name for path in paths] == [f"v3-table3-heat.{suffix}" for suffix in ("svg", "pdf", "png")]
    svg, pdf, png = (path.read_bytes() for path in paths)
    assert pdf.startswith(b"%PDF")
    assert re.search(rb'width="504pt"', svg)
    assert Image.open(io.BytesIO(png)).width == PRINTED / 72 * DOTS
    again = [path.read_bytes() for path in write_figures(usual(), "v3-table3", tmp_path / "new")]
    assert again == [svg, pdf, png]
