"""Where sliding windows lie: mmsegmentation's rule (its `slide` inference).

Windows follow each other at a stride, from the upper left corner on; the last one of a side is moved back until it ends
with the side, so that every pixel is seen. Where a side is no longer than the window there is one window.
"""

from __future__ import annotations

Size = tuple[int, int]


def starts(side: int, window: int, stride: int) -> list[int]:
    """Return where windows begin along a side of so many pixels, each once."""
    return [min(start, side - window) for start in range(0, side - window + stride, stride)] if side > window else [0]


def fits(canvas: Size, window: Size) -> bool:
    """Whether one window holds all of a canvas."""
    return canvas[0] <= window[0] and canvas[1] <= window[1]


def corners(size: Size, window: Size, stride: Size) -> list[Size]:
    """Return the (top, left) corners of all windows over an image of a height and width, row by row."""
    rows, columns = (starts(*side) for side in zip(size, window, stride, strict=True))
    return [(top, left) for top in rows for left in columns]


def passes_of(canvas: Size, window: Size | None, stride: Size | None) -> tuple[int, Size]:
    """Return how many inputs of which height and width one pass over an image as large as its canvas takes."""
    if window is None or stride is None or fits(canvas, window):
        return 1, canvas
    seen = (min(window[0], canvas[0]), min(window[1], canvas[1]))
    return len(corners(canvas, seen, stride)), seen
