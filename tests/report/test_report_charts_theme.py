"""Colours of rows: told apart with any common colour deficiency, and legible."""

import itertools

import numpy as np
import pytest

from repro.report.charts.theme import COLOURS, MARKERS, ROWS

SEEN = {
    "all cones": np.eye(3),
    # severity 1.0 of Machado, Oliveira and Fernandes (2009), for linear RGB
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("reader", SEEN)
def test_rows_are_told_apart(theme, reader):
    places = [lab(SEEN[reader] @ linear(COLOURS[row][theme])) for row in ROWS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)) > 15
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(places[:5], 2)) > 22


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", [*ROWS, "ink", "soft", "accent", "good", "bad", "open"])
def test_each_has_the_contrast_of_text(theme, name):
    """4.5 to 1, as WCAG 2.1 asks of text of this size."""
    for ground in ("page", "panel", "raised"):
        light, dark = sorted((XYZ[1] @ linear(COLOURS[one][theme]) for one in (name, ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ground


def test_rows_differ_in_their_marker_too():
    assert len(set(MARKERS)) == len(ROWS)
