"""COCO's annotations as masks: polygons and run lengths, without COCO's own library.

A pixel belongs to a polygon if its centre does, by the even-odd rule: what COCO's library computes, but for the pixels
on an edge, where that library first rounds the corners to fifths of a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def polygon(corners: Sequence[float], height: int, width: int) -> Mask:
    """(height, width) bool mask of one polygon; `corners` is x0, y0, x1, y1, ... in pixels, origin at a corner.

    Fewer than three corners enclose nothing. ValueError for an odd number of coordinates or values that are not finite.
    """
    points = np.asarray(corners, dtype=np.float64)
    if points.ndim != 1 or points.size % 2 or not np.isfinite(points).all():
        raise ValueError("a polygon is a list of finite x, y pairs")
    if points.size < 6:
        return np.zeros((height, width), dtype=bool)
    x0, y0 = points[0::2], points[1::2]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    # Every column whose centre an edge crosses, for all edges at once, and the first row whose centre lies below.
    first = np.clip(np.ceil(np.minimum(x0, x1) - 0.5), 0, width).astype(np.int64)
    count = np.clip(np.ceil(np.maximum(x0, x1) - 0.5), 0, width).astype(np.int64) - first
    edge = np.repeat(np.arange(len(x0)), count)
    columns = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    slope = np.divide(y1 - y0, x1 - x0, out=np.zeros_like(x0), where=count > 0)
    crossing = y0[edge] + (columns + 0.5 - x0[edge]) * slope[edge]
    rows = np.clip(np.ceil(crossing - 0.5), 0, height).astype(np.int64)
    mask = np.zeros((height, width), dtype=bool)
    if len(edge):
        # Toggling every pixel below each crossing leaves the inside set; only the polygon's own box is touched.
        top, left = rows.min(), columns.min()
        box = (int(rows.max() - top) + 1, int(columns.max() - left) + 1)
        toggles = np.bincount((rows - top) * box[1] + columns - left, minlength=box[0] * box[1]).reshape(box)
        inside = np.cumsum(toggles[:-1], axis=0) % 2 == 1
        mask[top : top + box[0] - 1, left : left + box[1]] = inside
    return mask


def run_lengths(counts: Sequence[int], height: int, width: int) -> Mask:
    """(height, width) bool mask from lengths of runs of 0, 1, 0, ... down the columns; ValueError if they don't fit."""
    lengths = np.asarray(counts)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(f"run lengths must be whole numbers that add up to {height} x {width}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def annotation(segmentation: Sequence[Sequence[float]] | Mapping[str, Any], height: int, width: int) -> Mask:
    """(height, width) bool mask of an annotation's `segmentation`: polygons (their union) or run lengths of a crowd."""
    if isinstance(segmentation, Mapping):
        if list(segmentation["size"]) != [height, width]:
            raise ValueError(f"run lengths of size {segmentation['size']} for an image of {height} x {width}")
        if isinstance(segmentation["counts"], str):
            raise ValueError(
                "its run lengths are compressed into text, where COCO's own files have lists of numbers: write "
                "polygons, or run lengths as lists"
            )
        return run_lengths(segmentation["counts"], height, width)
    mask = np.zeros((height, width), dtype=bool)
    for corners in segmentation:
        mask |= polygon(corners, height, width)
    return mask
