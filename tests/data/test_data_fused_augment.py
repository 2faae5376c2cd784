"""Augmentation in one kernel, run by Triton's interpreter: labels as by torch's operations, images in float64."""

import numpy as np
import pytest
import torch

from repro.data import augment

pytest.importorskip("triton", reason="Triton comes with torch's builds for CUDA")
from repro.data import fused_augment

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CROP = 7


def _exact(pixels, size, drawn, crop):
    """(crop, crop, 3) float64 of one sample, pixel by pixel; NaN where there is nothing of the image."""
    (height, width), (scaled_height, scaled_width) = size, drawn[1:3]
    out = np.full((crop, crop, 3), np.nan)
    for i in range(crop):
        for j in range(crop):
            at = drawn[3] + i, drawn[4] + (crop - 1 - j if drawn[5] else j)
            if at[0] >= scaled_height or at[1] >= scaled_width:
                continue
            y, x = (
                min(place * (true - 1) / max(scaled - 1, 1), true - 1)
                for place, true, scaled in zip(at, (height, width), (scaled_height, scaled_width), strict=True)
            )
            (top, left), (bottom, right) = (int(y), int(x)), (min(int(y) + 1, height - 1), min(int(x) + 1, width - 1))
            upper, lower = (
                pixels[row, left] * (1 - x + left) + pixels[row, right] * (x - left) for row in (top, bottom)
            )
            out[i, j] = (upper * (1 - y + top) + lower * (y - top)) / 127.5 - 1
    return out


def test_images_are_those_of_float64_and_labels_those_of_torch():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 9, 14, 3), dtype=np.uint8)
    labels = rng.integers(0, 5, (3, 9, 14), dtype=np.uint8)
    sizes = np.array([(9, 14), (7, 10), (1, 14)], dtype=np.int32)
    drawn = np.array(
        [(0, 18, 28, 3, 9, 1), (0, 9, 14, 0, 0, 0), (1, 3, 5, 0, 0, 1), (1, 11, 15, 0, 4, 0), (2, 1, 20, 0, 7, 1)]
    )
    given = [torch.from_numpy(array).to(DEVICE) for array in (pixels, labels, sizes, drawn)]
    found, chosen = fused_augment.sample(*given, CROP, label_padding=7)
    plain, expected = augment.sample(*given, CROP, label_padding=7)
    assert torch.equal(chosen, expected)
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-4)  # places in float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    for image, label, own in zip(found.permute(0, 2, 3, 1).double().cpu().numpy(), expected, drawn, strict=True):
        exact = _exact(pixels[own[0]].astype(float), sizes[own[0]], own, CROP)
        np.testing.assert_allclose(image, np.nan_to_num(exact), atol=1e-6)
        assert np.array_equal(np.isnan(exact[:, :, 0]), label.cpu().numpy() == 7)


def test_a_row_may_be_longer_than_a_block(monkeypatch):
    monkeypatch.setattr(fused_augment, "BLOCK", 4)
    pixels = torch.arange(6 * 6 * 3, dtype=torch.uint8).view(1, 6, 6, 3).to(DEVICE)
    labels = torch.arange(36, dtype=torch.uint8).view(1, 6, 6).to(DEVICE)
    given = pixels, labels, torch.tensor([[6, 6]], dtype=torch.int32, device=DEVICE)
    packed = torch.tensor([[0, 6, 6, 0, 0, 0]], device=DEVICE)
    images, chosen = fused_augment.sample(*given, packed, 6, label_padding=255)
    torch.testing.assert_close(images, augment.normalise(pixels))
    assert torch.equal(chosen, labels.long())
