"""Resizing, and the check of label values."""

from pathlib import Path

import numpy as np
import pytest

from repro.data import images
from repro.errors import InputError


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize(("size", "side"), [((360, 480), 129), ((480, 360), 129), ((1, 999), 10), ((30, 20), 300)])
def test_the_longer_side_gets_the_pixels_asked_for(size, side):
    got = images.resized(size, side)
    factor = side / max(size)
    assert max(got) == side
    assert all(abs(g - max(1, s * factor)) <= 0.5 for g, s in zip(got, size, strict=True))
    assert images.resized(size, None) == size


def test_shrinking_averages_photographs_and_never_mixes_labels(rng):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = images.resize_photo(np.repeat(board[..., None], 3, axis=2), (8, 8))
    assert np.abs(small.astype(int) - 127).max() <= 3
    labels = rng.choice(np.array([0, 7, 255], dtype=np.uint8), (64, 64))
    assert set(np.unique(images.resize_labels(labels, (8, 8)))) <= {0, 7, 255}


def test_label_resizing_takes_the_pixel_under_the_centre(rng):
    labels = rng.integers(0, 200, (12, 20), dtype=np.uint8)
    for size in [(5, 9), (24, 40), (7, 33)]:
        rows = np.floor((np.arange(size[0]) + 0.5) * 12 / size[0]).astype(int)
        columns = np.floor((np.arange(size[1]) + 0.5) * 20 / size[1]).astype(int)
        assert np.array_equal(images.resize_labels(labels, size), labels[np.ix_(rows, columns)])


def test_photographs_and_labels_stay_aligned():
    labels = np.zeros((60, 90), dtype=np.uint8)
    labels[20:40, 30:60] = 1
    pixels = np.repeat((labels * 255)[..., None], 3, axis=2)
    small, marks = images.resize_photo(pixels, (20, 30)), images.resize_labels(labels, (20, 30))
    assert np.array_equal(small[..., 0] > 127, marks == 1)


def test_label_check_names_value_place_and_classes():
    labels = np.array([[0, 255], [20, 21]], dtype=np.uint8)
    images.check_labels(labels, 22, Path("x.png"))
    with pytest.raises(InputError, match=r"^x\.png: label 21 at row 1, column 1; the 21 classes are 0 to 20\."):
        images.check_labels(labels, 21, Path("x.png"))
