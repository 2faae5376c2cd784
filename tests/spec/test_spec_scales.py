"""Rules: factor, map, conditions."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from repro.spec.scales import Rule, fits, read_value, scaled


def test_integers_stay_integers_and_are_at_least_one() -> None:
    assert scaled((6, 12, 18), 1 / 3, "") == (2, 4, 6)
    assert scaled(30_000, 0.004, "") == 120
    assert scaled(4, 0.01, "") == 1
    assert scaled(0, 10.0, "") == 0
    assert scaled(None, 0.5, "") is None
    assert scaled((0.5, 1.0), 0.5, "") == (0.25, 0.5)


@given(st.integers(1, 10**6), st.floats(1e-6, 10))
def test_scaling_an_integer_keeps_type_and_order(value: int, factor: float) -> None:
    got = scaled(value, factor, "")
    assert isinstance(got, int)
    assert 1 <= got <= scaled(value + 1, factor, "")


def test_map_is_by_value_and_leaves_others() -> None:
    rule = Rule(key="train.crop", map={"513": 129, "[1, 2]": [3], "imagenet": "presence"}, reason="r")
    assert rule.new_value(513, "") == 129
    assert rule.new_value(514, "") == 514
    assert rule.new_value((1, 2), "") == (3,)
    assert rule.new_value("imagenet", "") == "presence"


def test_a_number_that_toml_splits_is_told() -> None:
    with pytest.raises(ValidationError, match=r'map: TOML splits 0.007 at its point. Write it in quotes: "0.007"'):
        Rule.model_validate({"key": "train.lr", "reason": "r", **tomllib.loads("map = { 0.007 = 0.004 }")})


def test_fits() -> None:
    assert fits((1, 2), [1, 2])
    assert fits(3, {"any": [2, 3]})
    assert not fits(3, {"not": {"any": [2, 3]}})
    assert fits((1, 2), {"any": [[1, 2]]})


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("none", None), ("[1, 2]", (1, 2)), ("true", True), ("adamw", "adamw"), ('"3"', "3"), ("1e-3", 1e-3)],
)
def test_values_are_read_as_toml_spells_them(text: str, value: object) -> None:
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)
