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

from repro.data.images import VOID, PaddedSplit
from repro.spec.protocol import Evaluate


def has_void(images: PaddedSplit) -> bool:
    """Whether any pixel of any image (not of its padding) is void."""
    sizes = zip(images.labels, images.sizes, strict=True)
    return any(bool((labels[:height, :width] == VOID).any()) for labels, (height, width) in sizes)


def scored(truth: Tensor, sizes: Tensor, evaluate: Evaluate, distance: Tensor | None = None) -> Tensor:
    """Labels to score against, (N, H, W) uint8: 255 where a pixel does not count.

    `truth` (N, H, W) uint8 with void and padding 255, `sizes` (N, 2) true heights and widths; `distance` as of
    `distances`, needed for a trimap. With `evaluate.void` "background" void counts as class 0, padding never.
    """
    void = (truth == VOID) & _inside(truth, sizes)
    counted = truth
    if evaluate.trimap_px is not None:
        if distance is None:
            raise ValueError("a trimap needs the distances to boundaries")
        band = distance <= evaluate.trimap_px
        counted = truth.masked_fill(~band, VOID)
        void = void & band
    return counted.masked_fill(void, 0) if evaluate.void == "background" else counted


def distances(truth: Tensor, sizes: Tensor, farthest: int, *, void_marks_edges: bool) -> Tensor:
    """How many pixels away the boundary is, along the axis where it is farther, (N, H, W) int16; beyond `farthest`,
    that + 1.

    Pixels at most w away are those that a square of side 2 w + 1 reaches: one pass gives the bands of all widths.
    Boundaries are void pixels, or, unless `void_marks_edges` (see `has_void`), class transitions.
    """
    marks = (truth == VOID) & _inside(truth, sizes) if void_marks_edges else transitions(truth)
    return chessboard(marks, farthest)


def chessboard(marks: Tensor, farthest: int) -> Tensor:
    """(N, H, W) bool -> int16: the larger of the two axes' distances to the nearest mark, at most `farthest` + 1."""
    reached, distance = marks.half(), torch.full(marks.shape, farthest + 1, dtype=torch.int16, device=marks.device)
    distance.masked_fill_(marks, 0)
    for away in range(1, farthest + 1):
        grown = functional.max_pool2d(reached, 3, stride=1, padding=1)
        distance.masked_fill_((grown > reached), away)
        reached = grown
    return distance


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
