"""Where an average comes from, in the paper's words."""

from __future__ import annotations

import numpy as np
import pytest

from repro.judge.groups import split
from repro.spec.load import load_suite
from repro.spec.questions import question

SUITE = load_suite()


def of_claim(table: str, claim: str, effects: list[float]) -> tuple[str, str]:
    """Return the names of the strong and of the weak pairs."""
    spec = SUITE.find(table)
    declared = next(c for c in spec.claims if c.id == claim)
    asked = question(declared, SUITE.cells_of(declared, spec))
    (effect,) = asked.effects
    (strong, name), (weak, other) = split(np.array(effects), effect.contrasts, asked.cells)
    assert sorted([*strong, *weak]) == list(range(len(effects)))
    assert min(effects[k] for k in strong) > max(effects[k] for k in weak)
    return name, other


@pytest.mark.parametrize(
    ("effects", "names"),
    [
        # by grid, then by block: (1, 2, 1), (1, 2, 3), (1, 2, 4) over block4 to block7
        ([4.4, 0.1, 0.0, -0.1, 5.1, 0.2, 0.1, 0.0, 3.9, 0.1, 0.0, 0.0], ("block4", "")),
        ([0.1, 0.2, 0.0, -1.4, 0.1, 0.2, 0.1, -1.5, 0.2, 0.1, 0.0, -1.2], ("", "block7")),
        ([0.1, 0.0, 0.2, 0.1, 3.0, 3.2, 2.9, 3.1, 0.0, 0.1, 0.2, 0.0], ("(1, 2, 3)", "")),
        ([0.1, 0.0, 0.2, 0.1, 0.0, 3.2, 0.1, 0.1, 0.0, 0.1, 0.2, 0.0], ("(1, 2, 3), block5 − (1, 1, 1), block5", "")),
    ],
)
def test_a_shared_row_or_column_is_the_name(effects: list[float], names: tuple[str, str]) -> None:
    assert of_claim("v3/table3", "v3.t3.c1", effects) == names


def test_a_setting_is_the_name_where_no_row_or_column_is() -> None:
    """v3+ Table 3, flip: without decoder, then with it at evaluation output strides 16 and 8; a row each."""
    name, other = of_claim("v3plus/table3", "v3plus.t3.c2.gain", [0.1, 0.9, 0.8])
    assert name == "decoder conv2"
    assert other.startswith("train OS 16, eval OS 8, MS, Flip")
