"""Claims become the contrasts that their words ask for, on the suite's own tables and on made-up cells."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from repro.errors import InputError
from repro.spec.claim import Claim
from repro.spec.load import Suite, load_suite
from repro.spec.metric import METRICS
from repro.spec.questions import Question, mean_contrast, question
from repro.spec.table import Cell
from repro.studies.worlds import table_of


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite()


def asked(suite: Suite, claim_id: str) -> Question:
    table = next(t for t in suite.tables.values() if any(c.id == claim_id for c in t.claims))
    claim = next(c for c in table.claims if c.id == claim_id)
    return question(claim, suite.cells_of(claim, table))


def made(kind: str, **fields: Any) -> Claim:
    return Claim(id="made.up", text="", kind=kind, **fields)


def grid(rows: int, columns: int) -> tuple[Cell, ...]:
    """Cells that set two keys: model.width by row, train.crop by column (larger to the left)."""
    return tuple(
        Cell(
            "made/up", r, c, f"width {r}", f"crop {9 - c}", "miou", "measured",
            {"model.width": r, "train.crop": 9 - c}, 50.0, 2, f"made/up/{r}/{c}",
        )
        for r in range(rows)
        for c in range(columns)
    )  # fmt: skip


def weights(q: Question) -> list[list[dict[str, float]]]:
    return [[dict(c.weights) for c in effect.contrasts] for effect in q.effects]


def test_greater_is_one_effect_over_the_pairs_of_the_table(suite: Suite) -> None:
    (effect,) = asked(suite, "v3.t3.c1").effects
    assert len(effect.contrasts) == 12  # three grids over four depths
    assert (effect.low, effect.high) == (0.0, math.inf)
    left, right = effect.contrasts[0].weights
    assert "1-1-1" in right[0]
    assert left[0].rsplit("/", 1)[-1] == right[0].rsplit("/", 1)[-1]
    assert (left[1], right[1]) == (1.0, -1.0)


def test_monotone_orders_numbers_by_size_and_averages_lines() -> None:
    q = question(made("monotone", over="mean", along="crop", direction="increasing"), grid(2, 3))
    assert weights(q) == [
        [{"made/up/0/1": 1, "made/up/0/2": -1}, {"made/up/1/1": 1, "made/up/1/2": -1}],  # crop 7 to 8
        [{"made/up/0/0": 1, "made/up/0/1": -1}, {"made/up/1/0": 1, "made/up/1/1": -1}],  # crop 8 to 9
    ]
    each = question(made("monotone", over="every", along="crop", direction="increasing"), grid(2, 3))
    assert sorted(map(str, weights(each))) == sorted(str([pair]) for step in weights(q) for pair in step)
    down = question(made("monotone", over="every", along="crop", direction="decreasing"), grid(1, 3))
    assert weights(down)[0] == [{"made/up/0/2": 1, "made/up/0/1": -1}]


def test_monotone_takes_a_single_line_whatever_else_its_cells_set(suite: Suite) -> None:
    q = asked(suite, "v3.t1.c1")
    assert [len(e.contrasts) for e in q.effects] == [1] * 5
    assert q.effects[0].contrasts[0].label == "output stride 8 − output stride 16"
    diagonal = tuple(c for c in grid(3, 3) if c.row == c.column)
    assert len(question(made("monotone", over="every", along="width", direction="increasing"), diagonal).effects) == 2


def test_best_meets_every_rival_but_itself() -> None:
    q = question(made("best", over="every", left={"width": 1, "crop": 9}, among={}, margin=0.5), grid(2, 2))
    assert weights(q) == [[{"made/up/1/0": 1, f"made/up/{rival}": -1}] for rival in ("0/0", "0/1", "1/1")]
    assert {effect.low for effect in q.effects} == {0.5}
    with pytest.raises(InputError, match="picks no cell but"):
        question(made("best", left={"width": 1}, among={"width": 1}), grid(2, 2))


def test_equal_gain_and_ratio_ranges() -> None:
    pair = {"left": {"width": 1}, "right": {"width": 0}}
    cells = table_of(2)
    equal = question(made("equal", tolerance=0.5, **pair), cells)
    assert (equal.effects[0].low, equal.effects[0].high, equal.strict) == (-0.5, 0.5, False)
    gain = question(made("gain", low=1.0, **pair), cells)
    assert (gain.effects[0].low, gain.effects[0].high) == (1.0, math.inf)
    ratio = question(made("ratio", low=2.0, high=4.0, **pair), cells)
    assert (ratio.effects[0].low, ratio.effects[0].high) == pytest.approx((math.log(2), math.log(4)))
    assert (ratio.unit, ratio.logarithmic) == ("x", True)


def test_largest_gain_compares_gains_of_the_same_curve() -> None:
    claim = made("largest-gain-at", over="every", left={"width": 1}, right={"width": 0}, along="crop", at=9)
    (alternative,) = question(claim, grid(2, 3)).alternatives
    first = dict(alternative[0].contrasts[0].weights)
    assert first == {"made/up/1/0": 1, "made/up/0/0": -1, "made/up/1/1": -1, "made/up/0/1": 1}
    assert len(alternative) == 2
    either = made(
        "largest-gain-at", over="every", left={"width": 1}, right={"width": 0}, along="crop", at={"any": [9, 8]}
    )
    assert [len(a) for a in question(either, grid(2, 3)).alternatives] == [1, 1]


def test_every_pair_is_an_effect_and_a_mean_is_one() -> None:
    pairs = {"left": {"width": 1}, "right": {"width": 0}}
    every, mean = (question(made("gain", over=over, low=1.0, **pairs), grid(2, 3)) for over in ("every", "mean"))
    assert [len(effect.contrasts) for effect in every.effects] == [1, 1, 1]
    assert [len(effect.contrasts) for effect in mean.effects] == [3]
    assert {(effect.low, effect.high) for q in (every, mean) for effect in q.effects} == {(1.0, math.inf)}
    assert dict(mean_contrast(mean.effects[0]).weights) == pytest.approx(
        {f"made/up/{row}/{column}": sign / 3 for row, sign in ((1, 1), (0, -1)) for column in range(3)}
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"kind": "greater", "left": {"width": 1}, "right": {"width": 0}},
            "it makes 3 comparisons (width 1, crop 9 − width 0, crop 9; width 1, crop 8 − width 0, crop 8; ...) and "
            'lacks `over`. Write over = "every" if each of them must bear it out, or over = "mean" if their mean must.',
        ),
        (
            {"kind": "best", "left": {"width": 1, "crop": 9}, "among": {"crop": 9}, "over": "every"},
            "over: it makes one comparison, width 1, crop 9 − width 0, crop 9. Remove `over`.",
        ),
        (
            {"kind": "best", "left": {"width": 1, "crop": 9}, "among": {}},
            'and lacks `over`. Write over = "every" if each of them must bear it out.',
        ),
        (
            {"kind": "best", "left": {"width": 1, "crop": 9}, "among": {}, "over": "mean"},
            'over: its 5 comparisons ask different things: "mean" would average nothing. Write over = "every".',
        ),
    ],
)
def test_over_is_said_where_several_comparisons_are_made_and_nowhere_else(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as caught:
        question(made(**fields), grid(2, 3))
    assert str(caught.value).startswith("claim made.up: ")
    assert str(caught.value).endswith(told)


def test_sentences_that_name_each_case_are_over_every(suite: Suite) -> None:
    """The papers' own words: "every", "each", "all", "always", "both", "whatever" are about each comparison."""
    claims = {c.id: c for t in suite.tables.values() for c in t.claims}
    for claim in claims.values():
        said = {word.strip(".,:") for word in claim.text.lower().split()}
        if claim.over is not None and said & {"every", "each", "all", "always", "both", "whatever", "any"}:
            assert claim.over == "every", claim.id
        if claim.over is not None and "generally" in said:
            assert claim.over == "mean", claim.id
    named = "v3.t2.c4 v3.t1.c2 v2.f10.c2 v2.f10.c3 v2.f10.c3.after v3plus.f5.c1 v3plus.t5.c3 v3plus.t5.c7 v2.t1.c1"
    assert {claims[name].over for name in named.split()} == {"every"}


def test_labels_say_only_what_varies(suite: Suite) -> None:
    assert asked(suite, "v3.t5.c1").effects[0].label.count("−") == 1
    names = {c.label for e in asked(suite, "v3.t3.c5").effects for c in e.contrasts}
    assert "(1, 2, 4) − (1, 1, 1)" in {name.replace(", block4", "") for name in names}


def test_wrong_claims_are_told_apart() -> None:
    with pytest.raises(InputError, match="asks nothing of numbers"):
        question(made("text", why="a picture"), table_of(2))
    with pytest.raises(InputError, match="Name some of them"):
        question(made("largest-gain-at", left={"width": 1}, right={"width": 0}, along="crop", at=77), grid(2, 2))
    one = [replace(c, settings={**c.settings, "train.lr": 1.0}) for c in grid(2, 2)]
    more = [replace(c, id=f"{c.id}/more", settings={**c.settings, "train.lr": 2.0}) for c in one if c.column == 0]
    uneven = made("largest-gain-at", over="every", left={"width": 1}, right={"width": 0}, along="crop", at=9)
    with pytest.raises(InputError, match=r"different numbers of pairs \(9 has 2, 8 has 1\)"):
        question(uneven, (*one, *more))
    scattered = tuple(c for c in grid(3, 3) if (c.row, c.column) in {(0, 0), (1, 0), (2, 1)})
    with pytest.raises(InputError, match="no partner along"):
        question(made("monotone", along="crop", direction="increasing"), scattered)


def test_no_metric_is_printed_in_the_unit_of_ratios() -> None:
    """Effects of unit "x" are averaged by their logarithms; a difference of such a metric would be as well."""
    assert "x" not in {metric.unit for metric in METRICS.values()}


def test_every_claim_of_the_suite_can_be_asked(suite: Suite) -> None:
    for table in suite.tables.values():
        for claim in table.claims:
            if claim.kind != "text":
                for effect in question(claim, suite.cells_of(claim, table)).effects:
                    for contrast in effect.contrasts:
                        assert sum(w for _, w in contrast.weights) == 0, claim.id
                        assert len({cell for cell, _ in contrast.weights}) >= 2, claim.id
