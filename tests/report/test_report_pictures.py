"""Pictures as data URIs."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_fixture import usual

from repro.report.content import ClassTable, Pictures
from repro.report.pictures import VOID, VOID_COLOUR, nearest, sheets

BUDGET = 1_500_000
CLASSES = ClassTable(("sky", "road"), ((10, 20, 30), (200, 100, 50)))


def decode(uri: str) -> Image.Image:
    head, _, body = uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(body)))


def small(truth, prediction, image=None) -> Pictures:
    truth, prediction = np.array(truth, np.uint8), np.array(prediction, np.uint8)
    image = np.zeros((*truth.shape, 3), np.uint8) if image is None else image
    return Pictures("a", 0, ("one",), image[None], truth[None], prediction[None])


def test_labels_have_their_class_colours_and_void_its_own():
    sheet = sheets([small([[0, 1], [VOID, 1]], [[0, 0], [1, 1]])], CLASSES, {"a": "A"}, BUDGET)[0]
    truth = np.asarray(decode(sheet.truth_uri).convert("RGB"))
    assert truth.tolist() == [[[10, 20, 30], [200, 100, 50]], [list(VOID_COLOUR), [200, 100, 50]]]


def test_wrong_pixels_leave_void_out():
    sheet = sheets([small([[0, 1], [VOID, 1]], [[0, 0], [1, 1]])], CLASSES, {"a": "A"}, BUDGET)[0]
    mask = np.asarray(decode(sheet.predictions[0].wrong_uri).convert("RGBA"))[..., 3] > 0
    assert mask.tolist() == [[False, True], [False, False]]
    assert sheet.predictions[0].correct == pytest.approx(2 / 3)


def test_an_image_that_is_all_void_has_no_share():
    sheet = sheets([small([[VOID]], [[0]])], CLASSES, {"a": "A"}, BUDGET)[0]
    assert sheet.predictions[0].correct is None


def test_cells_share_the_image_and_the_truth():
    base = usual()
    made = sheets(base.pictures, base.classes, {c.cell.id: c.cell.id for c in base.cells}, BUDGET)
    assert len(made) == 4
    assert all(len(sheet.predictions) == 18 for sheet in made)


def test_large_pictures_are_made_smaller_until_they_fit():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 20, (4, 600, 800)).astype(np.uint8)
    image = rng.integers(0, 255, (4, 600, 800, 3)).astype(np.uint8)
    many = [Pictures(f"c{k}", 0, ("a", "b", "c", "d"), image, truth, truth[::-1]) for k in range(6)]
    made = sheets(many, ClassTable(), {f"c{k}": str(k) for k in range(6)}, BUDGET)
    total = sum(
        len(s.image_uri) + len(s.truth_uri) + sum(len(p.uri) + len(p.wrong_uri) for p in s.predictions) for s in made
    )
    assert 0 < total <= BUDGET
    assert made[0].width < 800
    assert made[0].width / made[0].height == pytest.approx(4 / 3, rel=0.02)
    assert decode(made[0].truth_uri).size == (made[0].width, made[0].height)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def testnearest_takes_the_pixel_under_the_centre(height, width, rows, columns):
    array = np.arange(height * width).reshape(height, width)
    sampled = nearest(array, (rows, columns))
    for i in range(rows):
        for j in range(columns):
            assert sampled[i, j] == array[int((i + 0.5) * height / rows), int((j + 0.5) * width / columns)]
