"""Sliding windows: where they lie, that one is the whole image, and a plain loop over them as oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from repro.data.images import PaddedSplit
from repro.evaluate.inference import probabilities
from repro.evaluate.measure import measure
from repro.nets.build import build
from repro.spec.protocol import CRF, Evaluate, Model
from repro.spec.sliding import corners, fits, passes_of, starts

CPU = torch.device("cpu")
CANVAS = (49, 65)


class Net(nn.Module):
    """Logits of stride 4 that see beyond a position, and the mean over all of them."""

    def __init__(self, classes=3):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 5, 5, stride=4, padding=2)
        self.second = nn.Conv2d(5, classes, 3, padding=1)

    def forward(self, x):
        y = self.second(functional.relu(self.first(x)))
        return y + y.mean(dim=(2, 3), keepdim=True)


def _images(count=3, canvas=CANVAS):
    return torch.rand(count, 3, *canvas, generator=torch.Generator().manual_seed(1)) * 2 - 1


def _sliding(**settings):
    return Evaluate(**{"canvas": CANVAS, "window": (33, 33), "window_stride": (20, 17), **settings})


@given(st.integers(1, 300), st.integers(1, 300), st.data())
@settings(deadline=None)
def test_windows_see_every_pixel_and_end_with_the_side(side, window, data):
    stride = data.draw(st.integers(1, window))
    found = starts(side, window, stride)
    assert found == sorted(set(found))
    assert found[0] == 0
    seen = np.zeros(max(side, window), bool)
    for start in found:
        seen[start : start + window] = True
    assert seen[:side].all()
    if side > window:
        assert found[-1] == side - window
        # mmsegmentation's number of windows: max(side - window + stride - 1, 0) // stride + 1
        assert len(found) == max(side - window + stride - 1, 0) // stride + 1
    else:
        assert found == [0]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0)])
@torch.inference_mode()
def test_where_one_window_holds_the_canvas_the_bits_are_those_of_the_whole(scales, flip):
    whole = Evaluate(canvas=CANVAS, scales=scales, flip=flip)
    one = _sliding(scales=scales, flip=flip, window=(49, 97), window_stride=(49, 40))
    sizes = [(49, 65), (30, 41), (7, 65)]
    expected = probabilities(Net(), _images(), whole, sizes)
    assert torch.equal(probabilities(Net(), _images(), one, sizes), expected)


def _by_hand(network, image, size, scale, flips, window, stride):
    """Probabilities (C, H, W) of one image on its canvas: every window alone, in loops over pixels' counts."""
    canvas = image.shape[1:]
    scaled = tuple(int((side - 1) * scale + 1) for side in canvas)
    own = tuple(int((side - 1) * scale + 1) for side in size)
    x = functional.interpolate(image[None], scaled, mode="bilinear", align_corners=True)[0]
    total = torch.zeros(len(flips), 3, *canvas)
    for k, flip in enumerate(flips):
        logits, count = torch.zeros(3, *scaled), torch.zeros(scaled)
        height, width = min(window[0], scaled[0]), min(window[1], scaled[1])
        down = max(own[0] - height + stride[0] - 1, 0) // stride[0] + 1
        across = max(own[1] - width + stride[1] - 1, 0) // stride[1] + 1
        for i in range(down):
            for j in range(across):
                top = max(min(i * stride[0] + height, own[0]) - height, 0)
                left = max(min(j * stride[1] + width, own[1]) - width, 0)
                seen = x[None, :, top : top + height, left : left + width]
                found = network(seen.flip(3)).flip(3) if flip else network(seen)
                found = functional.interpolate(found, (height, width), mode="bilinear", align_corners=True)[0]
                logits[:, top : top + height, left : left + width] += found
                count[top : top + height, left : left + width] += 1
        mean = torch.where(count > 0, logits / count, torch.zeros(()))
        full = functional.interpolate(mean[None], canvas, mode="bilinear", align_corners=True)[0]
        total[k] = full.softmax(dim=0)
    return total.mean(dim=0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1.5])
@torch.inference_mode()
def test_a_plain_loop_gives_the_same(scale, flip):
    network, images, sizes = Net(), _images(), [(49, 65), (40, 33), (20, 60)]
    found = probabilities(network, images, _sliding(scales=(scale,), flip=flip), sizes)
    for image, size, probability in zip(images, sizes, found, strict=True):
        expected = _by_hand(network, image, size, scale, [False, True] if flip else [False], (33, 33), (20, 17))
        height, width = size
        torch.testing.assert_close(probability[:, :height, :width], expected[:, :height, :width], atol=2e-5, rtol=0)


@torch.inference_mode()
def test_windows_see_otherwise_than_the_whole_and_without_sizes_cover_the_canvas():
    images, evaluate = _images(1), _sliding()
    found = probabilities(Net(), images, evaluate)
    assert torch.equal(found, probabilities(Net(), images, evaluate, [CANVAS]))
    assert not torch.allclose(found, probabilities(Net(), images, Evaluate(canvas=CANVAS)), atol=1e-3)


MODEL = Model(backbone="resnet50", units=(1, 1, 1, 1), width=4, stem_width=4, head_channels=8)


def test_an_evaluation_counts_alike_however_many_images_it_takes_at_once_and_refines_them_by_a_crf():
    rng = np.random.default_rng(0)
    sizes = np.array([(49, 65), (37, 65), (49, 40), (20, 20)], np.int32)
    labels = rng.integers(0, 3, (4, *CANVAS), dtype=np.uint8)
    for label, (height, width) in zip(labels, sizes, strict=True):
        label[height:], label[:, width:] = 255, 255
    images = PaddedSplit(rng.integers(0, 255, (4, *CANVAS, 3), dtype=np.uint8), labels, sizes, tuple("abcd"))
    state = build(MODEL, 3, 16).state_dict()
    crf = CRF(w1=4.0, sigma_alpha=40.0, sigma_beta=4.0, iterations=2)
    strategies = [_sliding(batch_size=size, crf=crf, precision="float32") for size in (1, 4)]
    one, other = (measure(MODEL, 3, [strategy], state, images, CPU)[0] for strategy in strategies)
    assert np.abs(one.matrices - other.matrices).sum() <= 4  # pixels at which two classes are level
    assert one.matrices.sum() == sum(height * width for height, width in sizes.tolist())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window_stride": None}, "window and window_stride belong together; give window_stride too"),
        ({"window": None}, "give window too"),
        ({"window_stride": (20, 34)}, "is larger than window"),
        ({"window": (0, 33), "window_stride": (1, 1)}, "greater than or equal to 1"),
        ({"squash": (33, 33)}, "window and squash exclude each other"),
        ({"centre_crop": (33, 33)}, "window and centre_crop exclude each other"),
        ({"pooling_px": 33}, "window and pooling_px exclude each other"),
        ({"rescale": "image"}, "window and rescale exclude each other"),
    ],
)
def test_what_windows_cannot_be_is_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        _sliding(**settings)


def test_geometry_of_a_pass():
    assert corners((49, 65), (33, 33), (20, 17)) == [(0, 0), (0, 17), (0, 32), (16, 0), (16, 17), (16, 32)]
    assert passes_of((1025, 2049), (769, 769), (513, 513)) == (8, (769, 769))
    assert passes_of((1025, 2049), None, None) == (1, (1025, 2049))
    assert passes_of((257, 257), (513, 129), (100, 100)) == (3, (257, 129))
    assert fits((257, 257), (257, 300))
    assert not fits((257, 257), (513, 129))
