"""PASCAL VOC's colours, in which many data sets draw their classes."""

from __future__ import annotations

VOID_COLOUR = (224, 224, 192)


def voc_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    """The first `count` colours: bits 0, 3, 6 of a label make red from the highest bit down, 1, 4, 7 green, 2, 5, 8
    blue."""
    bits = [[sum(((k >> (3 * j + c)) & 1) << (7 - j) for j in range(3)) for c in range(3)] for k in range(count)]
    return tuple((r, g, b) for r, g, b in bits)
