"""Batched augmentation beside the usual one: torchvision's transforms on one PIL image after another.

Positions are painted into the images (red grows with the row, green with the column), so that what a crop shows tells
its scale, place and mirroring. Pixels agree within what interpolation does to such an image: torchvision aligns pixel
centres and filters when it shrinks, the papers' code aligns corners and does not.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from repro.data import augment

HEIGHT, WIDTH = 60, 80
CROP = 49
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)
VOID = 255
GREY = 127


def _painted() -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, 3) whose colours tell the position, and labels (H, W): vertical stripes of five classes."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([2 * rows + 20, 2 * columns + 20, rows + columns], axis=-1).astype(np.uint8)
    return pixels, (columns // 16).astype(np.uint8)


def _reference(size: tuple[int, int], corner: tuple[int, int], mirrored: bool) -> tuple[Tensor, Tensor]:
    """Resize, pad at bottom and right, crop, mirror: torchvision on PIL images."""
    pixels, labels = (Image.fromarray(array) for array in _painted())
    pixels = transforms.resize(pixels, list(size), InterpolationMode.BILINEAR)
    labels = transforms.resize(labels, list(size), InterpolationMode.NEAREST)
    missing = [0, 0, max(0, CROP - size[1]), max(0, CROP - size[0])]
    pixels, labels = transforms.pad(pixels, missing, fill=GREY), transforms.pad(labels, missing, fill=VOID)
    pixels, labels = (transforms.crop(image, *corner, CROP, CROP) for image in (pixels, labels))
    if mirrored:
        pixels, labels = transforms.hflip(pixels), transforms.hflip(labels)
    return transforms.pil_to_tensor(pixels).float() / 127.5 - 1, transforms.pil_to_tensor(labels)[0].long()


def _ours(drawn: augment.AugmentationDraw) -> tuple[Tensor, Tensor]:
    pixels, labels = _painted()
    sizes = torch.tensor([[HEIGHT, WIDTH]], dtype=torch.int32)
    return augment.apply(torch.from_numpy(pixels)[None], torch.from_numpy(labels)[None], sizes, drawn, CROP)


def _draws(steps: int, batch_size: int = 8) -> list[augment.AugmentationDraw]:
    sizes = np.array([[HEIGHT, WIDTH]], dtype=np.int32)
    return [augment.draw(5, s, sizes, batch_size=batch_size, crop=CROP, scales=SCALES) for s in range(steps)]


def test_for_the_same_draw_the_pixels_are_the_references() -> None:
    seen = set()
    for drawn in _draws(6):
        images, labels = _ours(drawn)
        for k in range(len(images)):
            size = (int(drawn.size[k, 0]), int(drawn.size[k, 1]))
            corner = (int(drawn.corner[k, 0]), int(drawn.corner[k, 1]))
            image, label = _reference(size, corner, bool(drawn.flip[k]))
            # aligned corners and aligned centres differ by at most half a pixel of the coarser grid: two grey levels
            # of these ramps for each, a rounding besides
            tolerance = (1 + 2 * max(1.0, HEIGHT / size[0])) / 127.5
            torch.testing.assert_close(images[k], image, rtol=0, atol=tolerance)
            assert (labels[k] != label).float().mean() < 0.06  # the stripes' edges, half a pixel aside
            assert torch.equal(labels[k] == VOID, label == VOID)
            seen.add(size)
    assert len(seen) == len(SCALES)


def _told(image: Tensor, label: Tensor) -> tuple[float, float, float, bool]:
    """Scale, first row and column (as shares of the image) and mirroring that a crop shows, by its colours."""
    inside = label != VOID
    height, width = int(inside.any(1).sum()), int(inside.any(0).sum())
    rows, columns = ((image[c] + 1) * 127.5 / 2 - 10 for c in (0, 1))
    first_column = int(inside.any(0).nonzero()[0])
    across = columns[0, first_column : first_column + width]
    mirrored = bool(across[-1] < across[0])
    step = float((rows[height - 1, first_column] - rows[0, first_column]) / (height - 1))
    return 1 / step, float(rows[0, first_column]) / HEIGHT, float(across.min()) / WIDTH, mirrored


def test_the_distribution_is_the_references() -> None:
    ours = [_told(x, y) for d in _draws(50) for x, y in zip(*_ours(d), strict=True)]
    rng = np.random.default_rng(0)
    theirs = []
    for _ in range(400):
        scale = SCALES[rng.integers(len(SCALES))]
        size = (int(HEIGHT * scale), int(WIDTH * scale))
        corner = [int(rng.integers(max(side, CROP) - CROP + 1)) for side in size]
        theirs.append(_told(*_reference(size, (corner[0], corner[1]), bool(rng.random() < 0.5))))
    nearest = [[min(SCALES, key=lambda s: abs(s - scale)) for scale, *_ in found] for found in (ours, theirs)]
    for scale in SCALES:
        shares = [np.mean(np.array(found) == scale) for found in nearest]
        assert shares[0] == pytest.approx(shares[1], abs=0.09)
    for k in (1, 2):  # in tenths of the image, since a crop at its border shows the border in one way or the other
        assert ks_2samp(*(np.round([found[k] for found in both], 1) for both in (ours, theirs))).pvalue > 1e-3
    assert np.mean([found[3] for found in ours]) == pytest.approx(np.mean([found[3] for found in theirs]), abs=0.12)


def test_a_wrong_distribution_is_told_apart() -> None:
    """The comparison above sees crops that always begin at the top left."""
    ours = []
    for drawn in _draws(50):
        stuck = augment.AugmentationDraw(drawn.index, drawn.size, np.zeros_like(drawn.corner), drawn.flip)
        ours += [_told(x, y) for x, y in zip(*_ours(stuck), strict=True)]
    right = [_told(x, y) for d in _draws(50) for x, y in zip(*_ours(d), strict=True)]
    assert ks_2samp(*(np.round([found[1] for found in both], 1) for both in (ours, right))).pvalue < 1e-6
