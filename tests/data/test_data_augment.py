"""Batched augmentation against scaling, padding, cropping and flipping one image at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from repro.data import augment

SIZES = np.array([[40, 52], [61, 33], [48, 48]], dtype=np.int32)


def _images(seed=0):
    rng = np.random.default_rng(seed)
    pixels = np.zeros((3, 61, 52, 3), dtype=np.uint8)
    labels = np.full((3, 61, 52), 255, dtype=np.uint8)
    for i, (h, w) in enumerate(SIZES):
        pixels[i, :h, :w] = rng.integers(0, 256, (h, w, 3))
        labels[i, :h, :w] = rng.integers(0, 5, (h, w))
    return pixels, labels


def _one_by_one(pixels, labels, drawn, crop):
    """The released code's steps, in its order: scale, pad, crop, flip."""
    images, maps = [], []
    for k, i in enumerate(drawn.index):
        h, w = SIZES[i]
        size = tuple(int(v) for v in drawn.size[k])
        image = torch.from_numpy(pixels[i, :h, :w]).permute(2, 0, 1)[None].float() / 127.5 - 1
        image = functional.interpolate(image, size=size, mode="bilinear", align_corners=True)[0]
        rows = np.floor(np.arange(size[0]) * (h - 1) / max(size[0] - 1, 1) + 0.5).astype(int)
        columns = np.floor(np.arange(size[1]) * (w - 1) / max(size[1] - 1, 1) + 0.5).astype(int)
        label = torch.from_numpy(labels[i, :h, :w][rows][:, columns]).long()
        pad = (0, max(0, crop - size[1]), 0, max(0, crop - size[0]))
        image, label = functional.pad(image, pad), functional.pad(label, pad, value=255)
        top, left = drawn.corner[k]
        image, label = image[:, top : top + crop, left : left + crop], label[top : top + crop, left : left + crop]
        images.append(image.flip(2) if drawn.flip[k] else image)
        maps.append(label.flip(1) if drawn.flip[k] else label)
    return torch.stack(images), torch.stack(maps)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 500), st.sampled_from(["image", "batch"]), st.sampled_from([33, 49, 65]))
def test_batched_equals_one_by_one(seed, scale_per, crop):
    pixels, labels = _images()
    drawn = augment.draw(
        seed, 3, SIZES, batch_size=4, crop=crop, scales=(0.5, 0.75, 1.0, 1.25, 1.5, 2.0), scale_per=scale_per
    )
    x, y = augment.apply(torch.from_numpy(pixels), torch.from_numpy(labels), torch.from_numpy(SIZES), drawn, crop)
    expected_x, expected_y = _one_by_one(pixels, labels, drawn, crop)
    torch.testing.assert_close(x, expected_x, rtol=0, atol=2e-4)
    assert (y != expected_y).float().mean() < 1e-3  # a position half-way between two pixels may round either way


def test_scale_one_without_crop_or_flip_returns_the_very_pixels():
    pixels, labels = _images()
    drawn = augment.AugmentationDraw(np.array([2]), np.array([[48, 48]]), np.array([[0, 0]]), np.array([False]))
    x, y = augment.apply(torch.from_numpy(pixels), torch.from_numpy(labels), torch.from_numpy(SIZES), drawn, 61)
    expected = torch.from_numpy(pixels[2, :48, :48]).permute(2, 0, 1).float() / 127.5 - 1
    torch.testing.assert_close(x[0, :, :48, :48], expected, rtol=0, atol=1e-5)
    assert x[0, :, 48:].abs().max() == 0
    assert torch.equal(y[0, :48, :48], torch.from_numpy(labels[2, :48, :48]).long())
    assert (y[0, 48:] == 255).all()


def test_every_epoch_is_a_permutation_laid_end_to_end():
    told = np.concatenate([augment.sample_indices(0, 10, 4, step) for step in range(10)])
    for epoch in range(4):
        assert sorted(told[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert not np.array_equal(told[:10], told[10:20])


def test_a_draw_depends_on_seed_and_step_alone():
    kwargs = {"batch_size": 4, "crop": 33, "scales": (0.5, 1.0)}
    first = augment.draw(1, 7, SIZES, **kwargs)
    augment.draw(1, 8, SIZES, **kwargs)
    again = augment.draw(1, 7, SIZES, **kwargs)
    assert np.array_equal(first.corner, again.corner)
    assert not np.array_equal(first.corner, augment.draw(2, 7, SIZES, **kwargs).corner)


def test_scales_and_flips_are_drawn_uniformly():
    scales = (0.5, 1.0, 2.0)
    drawn = [augment.draw(0, s, SIZES[2:], batch_size=16, crop=24, scales=scales) for s in range(120)]
    heights = np.concatenate([d.size[:, 0] for d in drawn])
    shares = [np.mean(heights == int(48 * s)) for s in scales]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.04)
    assert np.mean(np.concatenate([d.flip for d in drawn])) == pytest.approx(0.5, abs=0.04)
    corners = np.concatenate([d.corner[d.size[:, 0] == 48] for d in drawn])
    assert corners.min() == 0
    assert corners.max() == 24


def test_padding_can_be_labelled_background_by_mistake():
    pixels, labels = _images()
    drawn = augment.AugmentationDraw(np.array([2]), np.array([[48, 48]]), np.array([[0, 0]]), np.array([False]))
    tensors = [torch.from_numpy(a) for a in (pixels, labels, SIZES)]
    _, right = augment.apply(*tensors, drawn, 61)
    _, wrong = augment.apply(*tensors, drawn, 61, label_padding=0)
    assert torch.equal(right[0, :48, :48], wrong[0, :48, :48])
    assert (right[0, 48:] == 255).all()
    assert (wrong[0, 48:] == 0).all()
    assert (wrong[0, :, 48:] == 0).all()


def test_squashed_images_take_one_size_before_they_are_scaled():
    drawn = augment.draw(0, 3, SIZES, batch_size=6, crop=24, scales=(0.5, 2.0), squash=(32, 48))
    assert set(map(tuple, drawn.size.tolist())) == {(16, 24), (64, 96)}
    pixels, labels = _images()
    at_once = augment.AugmentationDraw(np.array([0]), np.array([[32, 48]]), np.array([[0, 0]]), np.array([False]))
    x, _ = augment.apply(*(torch.from_numpy(a) for a in (pixels, labels, SIZES)), at_once, 48)
    own = torch.from_numpy(pixels[0, :40, :52]).permute(2, 0, 1)[None].float() / 127.5 - 1
    expected = functional.interpolate(own, size=(32, 48), mode="bilinear", align_corners=True)[0]
    torch.testing.assert_close(x[0, :, :32], expected, rtol=0, atol=2e-4)
