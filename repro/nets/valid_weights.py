"""How many of a 3x3 filter's nine weights fall inside the map (v3, arXiv 1706.05587, section 3.3 and figure 4).

Where an atrous rate comes near the map's size, only the centre weight is applied to the map; the others see padding.
Plain arithmetic: no torch.
"""

from __future__ import annotations

COUNTS = (9, 6, 4, 3, 2, 1)
"""Every number of valid weights a position can have; 3 occurs for no square map."""


def axis_counts(side: int, rate: int) -> dict[int, int]:
    """Along one axis: number of valid taps (3, 2 or 1) -> number of positions."""
    all_three = max(0, side - 2 * rate)
    centre_only = max(0, 2 * rate - side) if rate < side else side
    return {3: all_three, 2: side - all_three - centre_only, 1: centre_only}


def valid_weight_counts(side: int, rate: int) -> dict[int, int]:
    """Number of valid weights -> number of positions on a `side` x `side` map with zero padding; all of COUNTS.

    Raises ValueError for a side or rate below 1.
    """
    if side < 1 or rate < 1:
        raise ValueError(f"side {side} and rate {rate} must be at least 1")
    axis = axis_counts(side, rate)
    counts = dict.fromkeys(COUNTS, 0)
    for rows, of_rows in axis.items():
        for columns, of_columns in axis.items():
            counts[rows * columns] += of_rows * of_columns
    return counts


def valid_weight_fractions(side: int, rate: int) -> dict[int, float]:
    """Number of valid weights -> fraction of positions, in [0, 1] (the figure's normalised count)."""
    return {valid: count / side**2 for valid, count in valid_weight_counts(side, rate).items()}
