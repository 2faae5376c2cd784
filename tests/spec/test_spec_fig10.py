"""Which variants v2 Fig. 10 draws: what every printed pair of a VGG-16 and a ResNet-101 has to say to its curves.

A band of 40 pixels is not the whole image. The last steps of a curve shrink like a geometric series, whose sum leads to
the value for all pixels: on v3+ Fig. 5, whose rows are known, within 0.2 points.
"""

from __future__ import annotations

from itertools import product

import pytest

from repro.spec.load import Suite

PACE = (22, 31, 40)
"""Widths in pixels, equally far apart, that both figures draw."""


def _printed(suite: Suite, table: str) -> dict[tuple[str, str], float]:
    """(row, column) -> what is printed."""
    cells = suite.find(table).cells()
    return {(c.row_label, c.column_label): c.published for c in cells if isinstance(c.published, float)}


def _limits(suite: Suite, figure: str) -> list[float]:
    """What each curve leads to."""
    curves: dict[str, dict[int, float]] = {}
    for cell in suite.find(figure).cells():
        assert isinstance(cell.published, float)
        curves.setdefault(cell.row_label, {})[cell.settings["evaluate.trimap_px"]] = cell.published
    found = []
    for curve in curves.values():
        first, second, last = (curve[px] for px in PACE)
        shrinks = (last - second) / (second - first)
        found.append(last + (last - second) * shrinks / (1 - shrinks))
    return found


def test_a_curve_leads_to_what_is_printed_for_all_pixels(suite: Suite) -> None:
    assert _limits(suite, "v3plus/fig5") == pytest.approx([77.21, 78.85, 79.17, 79.93], abs=0.2)


def test_the_pair_that_is_drawn_here_fits_the_differences_best(suite: Suite) -> None:
    limits = _limits(suite, "v2/fig10")
    assert [round(limit, 1) for limit in limits] == [67.3, 70.6, 70.1, 71.8]
    vgg: dict[str, list[float]] = {}
    for table in ("v2/table1", "v2/table3"):
        for (row, column), value in _printed(suite, table).items():
            if column in ("before CRF", "after CRF"):
                vgg.setdefault(f"{table} {row}", []).append(value)
    resnet = {row: [value] for (row, _), value in _printed(suite, "v2/table4").items()}
    best = "MSC, COCO, Aug, ASPP"
    resnet[best] += resnet.pop(f"{best}, CRF")
    fits = []
    for (v, of_vgg), (r, of_resnet) in product(vgg.items(), resnet.items()):
        above = [value - limit for value, limit in zip([*of_vgg, *of_resnet], limits, strict=False)]
        level = sum(above) / len(above)
        spread = (sum((one - level) ** 2 for one in above) / len(above)) ** 0.5
        fits.append((round(spread, 2), round(level, 1), v, r))
    first, second, *_ = sorted(fits)
    assert len(fits) == 7 * 6
    assert first == (0.28, 1.2, "v2/table3 ASPP-L", "MSC")
    assert second == (0.35, -1.3, "v2/table3 LargeFOV", "plain")
    assert resnet[best][0] - limits[2] == pytest.approx(6.2, abs=0.05)
