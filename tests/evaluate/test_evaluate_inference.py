"""Inference strategies against the rules written out."""

import pytest
import torch
from torch.nn import functional

from repro.evaluate.inference import passes, probabilities, scaled_side
from repro.spec.protocol import Evaluate


class Stride16(torch.nn.Module):
    """A linear network with a position-dependent kernel, so that flips and scales matter."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 4, 17, stride=16, padding=8)

    def forward(self, x):
        return self.conv(x)


def _up(x, size):
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)


def test_canvas_sides_of_the_released_code():
    assert [scaled_side(513, s) for s in (0.5, 0.75, 1, 1.25, 1.5, 1.75)] == [257, 385, 513, 641, 769, 897]


def test_flip_doubles_the_passes():
    assert list(passes(Evaluate(scales=(0.5, 1.0), flip=True))) == [
        (0.5, False),
        (0.5, True),
        (1.0, False),
        (1.0, True),
    ]


@torch.no_grad()
def test_scales_and_flip_average_softmax_probabilities():
    network, x = Stride16().eval(), torch.randn(2, 3, 65, 65)
    ours = probabilities(network, x, Evaluate(scales=(0.5, 1.0, 1.5), flip=True, canvas=(65, 65)))
    total = torch.zeros_like(ours)
    for side in (33, 65, 97):
        for flip in (False, True):
            scaled = _up(x, (side, side))
            logits = network(scaled.flip(3) if flip else scaled)
            logits = logits.flip(3) if flip else logits
            if side < 65:
                logits = _up(logits, (5, 5))  # the grid of scale 1 at stride 16
            total += _up(logits, (65, 65)).softmax(1)
    torch.testing.assert_close(ours, total / 6, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.sum(1), torch.ones(2, 65, 65))


@torch.no_grad()
def test_a_flipped_image_has_the_flipped_result():
    network, x = Stride16().eval(), torch.randn(1, 3, 65, 65)
    strategy = Evaluate(flip=True, canvas=(65, 65))
    torch.testing.assert_close(
        probabilities(network, x, strategy).flip(3), probabilities(network, x.flip(3), strategy), rtol=1e-4, atol=1e-5
    )


def test_no_scales_is_an_error():
    with pytest.raises(ValueError, match="scales"):
        probabilities(Stride16(), torch.zeros(1, 3, 65, 65), Evaluate(scales=()))


@torch.no_grad()
def test_corners_not_aligned_reach_every_resize():
    network, x = Stride16().eval(), torch.randn(1, 3, 65, 65)
    ours = probabilities(network, x, Evaluate(scales=(0.5,), canvas=(65, 65), align_corners=False))

    def up(x, size):
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    expected = up(up(network(up(x, (33, 33))), (5, 5)), (65, 65)).softmax(1)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("scale", [0.75, 1.5])
def test_images_rescaled_before_padding(scale):
    network, x = Stride16().eval(), torch.zeros(2, 3, 65, 65)
    sizes = [(40, 60), (65, 33)]
    for image, (h, w) in zip(x, sizes, strict=True):
        image[:, :h, :w] = torch.randn(3, h, w)
    ours = probabilities(network, x, Evaluate(scales=(scale,), rescale="image", canvas=(65, 65)), sizes)
    side = max(65, scaled_side(65, scale))
    for found, image, (h, w) in zip(ours, x, sizes, strict=True):
        size = (scaled_side(h, scale), scaled_side(w, scale))
        padded = torch.zeros(1, 3, side, side)
        padded[:, :, : size[0], : size[1]] = _up(image[None, :, :h, :w], size)
        logits = _up(network(padded), (side, side))[:, :, : size[0], : size[1]]
        expected = _up(logits, (h, w)).softmax(1)[0]
        torch.testing.assert_close(found[:, :h, :w], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_at_scale_one_there_is_nothing_to_rescale():
    network, x = Stride16().eval(), torch.randn(1, 3, 65, 65)
    by_image = probabilities(network, x, Evaluate(rescale="image", canvas=(65, 65)), [(50, 40)])
    assert torch.equal(by_image, probabilities(network, x, Evaluate(canvas=(65, 65))))
