"""What the network sees of an image: whole, squashed, or its centre."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from repro.data.augment import normalise
from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.evaluate.canvas import Window, outside, place, put_back, windows
from repro.evaluate.measure import measure
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Evaluate, Model

SIZES = [(40, 60), (60, 40), (60, 60)]
MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)
CPU = torch.device("cpu")


def _pixels():
    rng = np.random.default_rng(0)
    pixels = np.zeros((3, 60, 60, 3), dtype=np.uint8)
    for image, (h, w) in zip(pixels, SIZES, strict=True):
        image[:h, :w] = rng.integers(0, 256, (h, w, 3))
    return pixels


def _up(x, size, align_corners=True):
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


def test_a_whole_image_is_padded_with_grey_not_with_black():
    evaluate = Evaluate(canvas=(65, 81))
    x = normalise(torch.from_numpy(_pixels()))
    seen = windows(SIZES, evaluate)
    placed = place(x, seen, evaluate)
    assert placed.shape == (3, 3, 65, 81)
    for image, own, (h, w) in zip(placed, x, SIZES, strict=True):
        assert torch.equal(image[:, :h, :w], own[:, :h, :w])
        assert image[:, h:].abs().sum() == 0
        assert image[:, :, w:].abs().sum() == 0


def test_a_whole_image_comes_back_as_it_went():
    evaluate = Evaluate(canvas=(65, 81))
    scores = torch.randn(3, 4, 65, 81)
    assert torch.equal(put_back(scores, windows(SIZES, evaluate), (60, 60), evaluate), scores[:, :, :60, :60])


def test_squashed_images_fill_one_size_and_lose_their_shape():
    evaluate = Evaluate(canvas=(65, 65), squash=(33, 49))
    x = normalise(torch.from_numpy(_pixels()))
    seen = windows(SIZES, evaluate)
    placed = place(x, seen, evaluate)
    for image, own, (h, w) in zip(placed, x, SIZES, strict=True):
        torch.testing.assert_close(image[:, :33, :49], _up(own[None, :, :h, :w], (33, 49))[0], rtol=0, atol=1e-4)
        assert image[:, 33:].abs().sum() == 0
    scores = torch.randn(3, 4, 65, 65)
    back = put_back(scores, seen, (60, 60), evaluate)
    for image, own, (h, w) in zip(back, scores, SIZES, strict=True):
        torch.testing.assert_close(image[:, :h, :w], _up(own[None, :, :33, :49], (h, w))[0], rtol=0, atol=1e-4)


def test_the_centre_crop_covers_its_size_and_leaves_the_borders_out():
    # 40 x 60 covers 80 x 80 at twice its size: the central 40 columns; 60 x 40 likewise the central rows
    evaluate = Evaluate(canvas=(81, 81), centre_crop=(80, 80))
    seen = windows(SIZES, evaluate)
    assert seen == [Window(0, 10, 40, 40, (80, 80)), Window(10, 0, 40, 40, (80, 80)), Window(0, 0, 60, 60, (80, 80))]
    mask = outside(seen, (60, 60), CPU)
    assert mask[0, :40].sum(0).tolist() == [40] * 10 + [0] * 40 + [40] * 10
    assert mask[2].sum() == 0


def _images(sizes=SIZES):
    rng = np.random.default_rng(1)
    labels = np.full((3, 60, 60), 255, dtype=np.uint8)
    for image, (h, w) in zip(labels, sizes, strict=True):
        image[:h, :w] = rng.integers(0, 3, (h, w))
    return PaddedSplit(_pixels(), labels, np.array(sizes, dtype=np.int32), tuple("abc"))


@pytest.fixture
def state():
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    with torch.no_grad():
        network.head.classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
    return network.state_dict()


def _counted(state, images=None, model=MODEL, **settings):
    evaluate = Evaluate(**{"canvas": (65, 65), "batch_size": 2, "precision": "float32", **settings})
    (found,) = measure(model, 3, [evaluate], state, images or _images(), CPU)
    return found.matrices


def test_only_the_centre_is_scored(state):
    counted = _counted(state, canvas=(81, 81), centre_crop=(80, 80)).sum((1, 2))
    assert counted.tolist() == [40 * 40, 40 * 40, 60 * 60]
    background = _counted(state, canvas=(81, 81), centre_crop=(80, 80), void="background").sum((1, 2))
    assert background.tolist() == counted.tolist()


def test_a_squashed_image_is_scored_whole(state):
    squashed = _counted(state, squash=(33, 49))
    assert squashed.sum((1, 2)).tolist() == [h * w for h, w in SIZES]
    assert not np.array_equal(squashed, _counted(state))


def test_squashing_to_its_own_size_changes_nothing(state):
    images = _images([(60, 60)] * 3)
    assert np.array_equal(_counted(state, images, squash=(60, 60)), _counted(state, images))


def test_what_stands_in_the_padding_does_not_matter(state):
    images, loud = _images(), _images()
    for pixels, (h, w) in zip(loud.pixels, SIZES, strict=True):
        pixels[h:], pixels[:, w:] = 255, 255
    assert np.array_equal(_counted(state, images), _counted(state, loud))


def test_bgr_at_test_is_the_result_of_exchanged_channels(state):
    images = _images()
    exchanged = PaddedSplit(np.ascontiguousarray(images.pixels[..., ::-1]), images.labels, images.sizes, images.names)
    assert np.array_equal(_counted(state, images, input="bgr"), _counted(state, exchanged))
    assert not np.array_equal(_counted(state, images, input="bgr"), _counted(state, images))


def test_an_input_that_was_wrong_in_training_is_wrong_again_at_test(state):
    wrong = MODEL.model_copy(update={"input": "bgr"})
    assert np.array_equal(_counted(state, model=wrong), _counted(state, input="bgr"))


def test_a_view_larger_than_the_canvas_is_refused():
    with pytest.raises(InputError, match=r"evaluate\.canvas"):
        windows(SIZES, Evaluate(canvas=(65, 65), squash=(80, 49)))
