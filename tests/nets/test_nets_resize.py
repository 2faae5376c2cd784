"""Resizing with aligned corners against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from repro.nets.resize import resize, scaled_side, with_channels_last


@pytest.mark.parametrize(
    "sizes", [((9, 7), (33, 25)), ((33, 33), (9, 17)), ((1, 1), (5, 4)), ((5, 4), (1, 1)), ((2, 3), (2, 9))]
)
def test_equals_interpolate(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    before, after = sizes
    x = torch.randn(2, 3, *before).requires_grad_()
    y = x.detach().clone().requires_grad_()
    want = functional.interpolate(y, after, mode="bilinear", align_corners=True)
    got = resize(x, after)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    weight = torch.randn_like(want)
    (got * weight).sum().backward()
    (want * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-5, atol=1e-5)


def test_a_size_first_met_in_inference_serves_training() -> None:
    with torch.inference_mode():
        resize(torch.ones(1, 1, 11, 3), (13, 7))
    resize(torch.ones(1, 1, 11, 3, requires_grad=True), (13, 7)).sum().backward()


def test_same_size_is_untouched() -> None:
    x = torch.randn(1, 2, 5, 5)
    assert resize(x, (5, 5)) is x


def test_sides_of_the_papers() -> None:
    """v3 and v3+: 513 at 0.5 to 1.75; v2: 321 at 0.75 and 0.5."""
    assert [scaled_side(513, s) for s in (0.5, 0.75, 1, 1.25, 1.5, 1.75)] == [257, 385, 513, 641, 769, 897]
    assert [scaled_side(321, s) for s in (0.75, 0.5)] == [241, 161]


@pytest.mark.parametrize(("height", "width"), [(9, 9), (5, 12), (17, 4), (1, 3), (33, 65)])
def test_without_aligned_corners_it_is_pytorchs_default(height, width):
    x = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    expected = functional.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(x, (height, width), align_corners=False), expected)


@pytest.mark.parametrize("sizes", [((9, 7), (33, 25)), ((33, 33), (9, 17)), ((1, 1), (5, 4)), ((5, 4), (1, 1))])
@pytest.mark.parametrize("align_corners", [True, False])
def test_with_channels_last_it_is_the_same(sizes, align_corners):
    before, after = sizes
    x = torch.randn(2, 3, *before, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    one, other = (x.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2))
    expected = resize(one, after, align_corners=align_corners)
    found = with_channels_last(other, after, align_corners)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
    towards = torch.randn_like(found)
    (expected * towards).sum().backward()
    (found * towards).sum().backward()
    torch.testing.assert_close(other.grad, one.grad)
    assert other.grad.is_contiguous(memory_format=torch.channels_last)
