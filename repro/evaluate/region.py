"""Which pixels are scored, and as what: void, and the trimap around it.

Trimap (v2, section 4.1.2 and Fig. 10; v3+, section 4.4 and Fig. 5; the authors' MATLAB code): the void mask of the
ground truth is dilated with a square of side 2 w + 1, the void pixels are taken out, only what is left is scored. The
band follows void, not class boundaries, and an image without void adds nothing. A data set whose labels hold no void at
all has no such mask: there the pixels at class transitions stand in, those whose label differs from a neighbour's
(above, below, left or right), and they are scored themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from repro.data.images import VOID, Images
from repro.spec.protocol import Evaluate


def has_void(images: Images) -> bool:
    """Whether any pixel of any image (not of its padding) is void."""
    sizes = zip(images.labels, images.sizes, strict=True)
    return any(bool((labels[:height, :width] == VOID).any()) for labels, (height, width) in sizes)


def scored(truth: Tensor, sizes: Tensor, evaluate: Evaluate, *, void_marks_edges: bool) -> Tensor:
    """Labels to score against, (N, H, W) uint8: 255 where a pixel does not count.

    `truth` (N, H, W) uint8 with void and padding 255, `sizes` (N, 2) true heights and widths; `void_marks_edges`: the
    data set has void pixels (`has_void`). With `evaluate.void` "background" void counts as class 0, padding never.
    """
    void = (truth == VOID) & _inside(truth, sizes)
    counted = truth
    if evaluate.trimap_px is not None:
        band = dilated(void if void_marks_edges else transitions(truth), evaluate.trimap_px)
        counted = truth.masked_fill(~band, VOID)
        void = void & band
    return counted.masked_fill(void, 0) if evaluate.void == "background" else counted


def dilated(mask: Tensor, pixels: int) -> Tensor:
    """(N, H, W) bool: within `pixels` of the mask along both axes (a square of side 2 `pixels` + 1)."""
    grown = mask.float()
    for kernel, padding in (((2 * pixels + 1, 1), (pixels, 0)), ((1, 2 * pixels + 1), (0, pixels))):
        grown = functional.max_pool2d(grown, kernel, stride=1, padding=padding)
    return grown > 0


def transitions(labels: Tensor) -> Tensor:
    """(N, H, W) bool: the pixels with a neighbour of another class; void and padding neither are nor make one."""
    edge = torch.zeros_like(labels, dtype=torch.bool)
    for axis in (1, 2):
        count = labels.shape[axis] - 1
        first, second = labels.narrow(axis, 0, count), labels.narrow(axis, 1, count)
        change = (first != second) & (first != VOID) & (second != VOID)
        edge.narrow(axis, 0, count).logical_or_(change)
        edge.narrow(axis, 1, count).logical_or_(change)
    return edge


def _inside(truth: Tensor, sizes: Tensor) -> Tensor:
    """(N, H, W) bool: not padding."""
    rows = torch.arange(truth.shape[1], device=truth.device)[None, :, None] < sizes[:, 0, None, None]
    columns = torch.arange(truth.shape[2], device=truth.device)[None, None, :] < sizes[:, 1, None, None]
    return rows & columns
