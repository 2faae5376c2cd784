"""Selectors and pairs, against plain loops over the tables."""

from __future__ import annotations

import pytest

from repro.errors import InputError
from repro.spec.load import Suite
from repro.spec.select import pairs, select


def test_select_by_short_and_full_key(suite: Suite) -> None:
    cells = suite.find("table3").cells()
    short = select(cells, {"multi_grid": [1, 2, 1]})
    assert short == tuple(c for c in cells if c.row == 1)
    assert select(cells, {"model.multi_grid": [1, 2, 1]}) == short
    assert select(cells, {"row": "(1, 2, 1)"}) == short
    assert select(cells, {}) == cells
    some = select(cells, {"last_block": {"any": [4, 7]}, "multi_grid": {"not": [1, 1, 1]}})
    assert [(c.row, c.column) for c in some] == [(r, k) for r in range(1, 5) for k in (0, 3)]


def test_pairs_agree_on_everything_else(suite: Suite) -> None:
    cells = suite.find("table3").cells()
    got = pairs(cells, {"multi_grid": [1, 2, 1]}, {"multi_grid": [1, 1, 1]})
    assert [(a.row, b.row, a.column == b.column) for a, b in got] == [(1, 0, True)] * 4
    many = pairs(cells, {"multi_grid": {"not": [1, 1, 1]}}, {"multi_grid": [1, 1, 1]})
    assert len(many) == 16
    restricted = pairs(cells, {"last_block": 7}, {"last_block": 6}, {"multi_grid": [2, 2, 2]})
    assert [(round(a.published - b.published, 2)) for a, b in restricted if a.published and b.published] == [-0.08]


def test_pairs_by_label(suite: Suite) -> None:
    cells = suite.find("table3").cells()
    assert pairs(cells, {"row": "(1, 2, 1)"}, {"row": "(1, 1, 1)"}) == pairs(
        cells, {"multi_grid": [1, 2, 1]}, {"multi_grid": [1, 1, 1]}
    )


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ({"multigrid": [1, 2, 1]}, "no cell has \"multigrid\". Did you mean 'multi_grid'"),
        ({"last_block": {"any": [9]}}, "selector {last_block = 9}: last_block has no value 9; it has 4, 5, 6, 7."),
        ({"multi_grid": [1, 2, 2]}, "multi_grid has no value [1, 2, 2]; it has [1, 1, 1], [1, 2, 1]"),
        ({"row": "(1, 2, 1) "}, "Did you mean '(1, 2, 1)'"),
        ({"row": "(1, 2, 1)", "multi_grid": [1, 1, 1]}, "no cell fits all of it"),
    ],
)
def test_nothing_picked_is_told(suite: Suite, selector: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as caught:
        select(suite.find("table3").cells(), selector)
    assert told in str(caught.value)


def test_several_partners_are_told(suite: Suite) -> None:
    cells = suite.find("table3").cells()
    with pytest.raises(InputError, match="Name one more key"):
        pairs(cells, {"multi_grid": [1, 2, 1]}, {"multi_grid": {"any": [[1, 1, 1], [2, 2, 2]]}})
