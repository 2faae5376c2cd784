"""Valid weights of v3's figure 4 against brute force."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.nn import functional

from repro.nets.valid_weights import COUNTS, valid_weight_counts, valid_weight_fractions

# fractions of 9, 6, 4, 2, 1 valid weights on a 65 x 65 map, from the definition
TABLE = {
    1: (0.9394, 0.0596, 0.0009, 0, 0),
    2: (0.8807, 0.1155, 0.0038, 0, 0),
    6: (0.6649, 0.3011, 0.0341, 0, 0),
    12: (0.3979, 0.4658, 0.1363, 0, 0),
    18: (0.1991, 0.4942, 0.3067, 0, 0),
    24: (0.0684, 0.3863, 0.5453, 0, 0),
    30: (0.0059, 0.1420, 0.8521, 0, 0),
    32: (0.0002, 0.0303, 0.9695, 0, 0),
    33: (0, 0, 0.9695, 0.0303, 0.0002),
    36: (0, 0, 0.7962, 0.1922, 0.0116),
    40: (0, 0, 0.5917, 0.3550, 0.0533),
    48: (0, 0, 0.2736, 0.4989, 0.2275),
    56: (0, 0, 0.0767, 0.4005, 0.5228),
    60: (0, 0, 0.0237, 0.2604, 0.7160),
    63: (0, 0, 0.0038, 0.1155, 0.8807),
    64: (0, 0, 0.0009, 0.0596, 0.9394),
    65: (0, 0, 0, 0, 1),
}


@pytest.mark.parametrize("side", [1, 2, 5, 64, 65])
def test_equals_a_convolution_of_ones(side: int) -> None:
    ones, kernel = torch.ones(1, 1, side, side), torch.ones(1, 1, 3, 3)
    for rate in range(1, side + 6):
        seen = Counter(functional.conv2d(ones, kernel, padding=rate, dilation=rate).flatten().long().tolist())
        want = valid_weight_counts(side, rate)
        assert set(want) == set(COUNTS)
        assert {k: v for k, v in want.items() if v} == dict(seen)


def test_counts_of_the_figure() -> None:
    assert {k: v for k, v in valid_weight_counts(65, 12).items() if v} == {9: 1681, 6: 1968, 4: 576}
    assert {k: v for k, v in valid_weight_counts(65, 36).items() if v} == {4: 3364, 2: 812, 1: 49}


@pytest.mark.parametrize("rate", TABLE)
def test_fractions_of_the_figure(rate: int) -> None:
    fractions = valid_weight_fractions(65, rate)
    assert tuple(round(fractions[k], 4) for k in (9, 6, 4, 2, 1)) == TABLE[rate]
    assert fractions[3] == 0


def test_refuses_impossible_sizes() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        valid_weight_counts(0, 1)
    with pytest.raises(ValueError, match="at least 1"):
        valid_weight_counts(65, 0)
