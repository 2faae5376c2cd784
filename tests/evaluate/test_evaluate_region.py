"""Scored pixels against brute force over pixels and against scipy's dilation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from repro.data.images import PaddedSplit
from repro.evaluate.region import chessboard, distances, has_void, scored, transitions
from repro.spec.protocol import Evaluate

SIZES = torch.tensor([[20, 24], [15, 17]])


def _truth(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 3, (2, 5, 6)), np.ones((1, 4, 4))).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.03] = 255
    labels[1, 15:], labels[1, :, 17:] = 255, 255
    return torch.from_numpy(labels)


def _scored(truth, sizes, evaluate, *, void_marks_edges=True, farthest=6):
    return scored(truth, sizes, evaluate, distances(truth, sizes, farthest, void_marks_edges=void_marks_edges))


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_trimap_is_scipys_dilation_of_void_without_void_and_padding(width):
    truth = _truth()
    found = _scored(truth, SIZES, Evaluate(trimap_px=width))
    for labels, own, (height, wide) in zip(truth.numpy(), found.numpy(), SIZES.tolist(), strict=True):
        void = labels == 255
        void[height:], void[:, wide:] = False, False
        band = ndimage.binary_dilation(void, np.ones((2 * width + 1, 2 * width + 1)))
        assert np.array_equal(own, np.where(band, labels, 255))


def test_an_image_without_void_adds_nothing():
    truth = torch.zeros(1, 8, 8, dtype=torch.uint8)
    truth[0, :, 4:] = 1
    found = _scored(truth, torch.tensor([[8, 8]]), Evaluate(trimap_px=3))
    assert (found == 255).all()


def test_where_a_data_set_has_no_void_class_transitions_stand_in():
    truth = torch.zeros(1, 8, 8, dtype=torch.uint8)
    truth[0, :, 4:] = 1
    found = _scored(truth, torch.tensor([[8, 8]]), Evaluate(trimap_px=1), void_marks_edges=False)
    assert (found[0] != 255).nonzero()[:, 1].unique().tolist() == [2, 3, 4, 5]


def test_transitions_by_brute_force():
    labels = _truth(3)
    found = transitions(labels)
    n, height, width = labels.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                values = [int(labels[i, a, b]) for a, b in near if 0 <= a < height and 0 <= b < width]
                own = int(labels[i, y, x])
                assert found[i, y, x] == (own != 255 and any(v not in (own, 255) for v in values))


def test_void_as_background_leaves_padding_alone():
    truth = _truth()
    found = scored(truth, SIZES, Evaluate(void="background"))
    inside = torch.zeros_like(truth, dtype=torch.bool)
    for i, (height, width) in enumerate(SIZES.tolist()):
        inside[i, :height, :width] = True
    assert torch.equal(found, torch.where(inside & (truth == 255), 0, truth))


def test_void_as_background_within_a_trimap():
    truth = _truth()
    plain = _scored(truth, SIZES, Evaluate(trimap_px=1))
    found = _scored(truth, SIZES, Evaluate(trimap_px=1, void="background"))
    more = (found != 255) & (plain == 255)
    assert more.any()
    assert (found[more] == 0).all()
    assert (truth[more] == 255).all()


def test_nothing_is_changed_by_default():
    truth = _truth()
    assert torch.equal(scored(truth, SIZES, Evaluate()), truth)


def test_padding_is_no_void():
    labels = np.zeros((1, 6, 6), dtype=np.uint8)
    labels[0, 4:] = 255
    pixels = np.zeros((1, 6, 6, 3), dtype=np.uint8)
    assert not has_void(PaddedSplit(pixels, labels, np.array([[4, 6]], dtype=np.int32), ("a",)))
    assert has_void(PaddedSplit(pixels, labels, np.array([[5, 6]], dtype=np.int32), ("a",)))


def test_a_single_pixel_grows_to_a_square():
    mask = torch.zeros(1, 9, 9, dtype=torch.bool)
    mask[0, 4, 4] = True
    near = chessboard(mask, 4)[0] <= 2
    assert near.nonzero().tolist() == [[y, x] for y in range(2, 7) for x in range(2, 7)]


@given(st.integers(0, 10_000), st.integers(1, 7), st.floats(0, 0.2))
def test_every_width_at_once_is_each_width_by_brute_force(seed, farthest, share):
    rng = np.random.default_rng(seed)
    mask = rng.random((2, 9, 13)) < share
    found = chessboard(torch.from_numpy(mask), farthest).numpy()
    for width in range(farthest + 1):
        for image, marks in zip(found, mask, strict=True):
            band = np.zeros_like(marks)
            for y, x in np.argwhere(marks):
                band[max(y - width, 0) : y + width + 1, max(x - width, 0) : x + width + 1] = True
            assert np.array_equal(image <= width, band)
    assert found.max() <= farthest + 1


def test_the_papers_widths_are_as_wide_on_a_large_image():
    mask = torch.zeros(1, 300, 5, dtype=torch.bool)
    mask[0, 299, 2] = True
    found = chessboard(mask, 40)[0, :, 0]
    assert found.tolist() == [41] * 259 + list(range(40, 1, -1)) + [2, 2]


def test_a_trimap_without_distances_is_refused():
    with pytest.raises(ValueError, match="needs the distances"):
        scored(_truth(), SIZES, Evaluate(trimap_px=1))
