"""What counts as moved, which place is first, and how it is told."""

import math
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.errors import InputError
from repro.metrics import miou
from repro.regression.baseline import FrozenProbe, FrozenTable, encode_table, lines_of, read
from repro.regression.compare import FACTOR, FLOOR, PIXELS_FLOOR, hold, usual_rounding
from repro.regression.quantity import CountsQuantity, Exact, Near, ScoreQuantity, decode, encode
from repro.regression.sketch import SUMS, Sketch, Sketcher
from repro.regression.summary import blocks, first_places, headline, json_rows, suites
from repro.report.formats.junit import junit

MATRIX = ((90_000, 100, 0), (50, 9_000, 10), (0, 0, 840))


def near(values, name="a"):
    return Near(Sketcher().add(name, np.asarray(values, dtype=np.float64)).sketch)


def seen(rng, scale=1.0, **changed):
    x = rng.normal(size=4000)
    noise = np.random.default_rng(9).normal(size=4000)
    told = {
        "images of val": Exact("abc"),
        "outputs of backbone.stem (evaluation)": near(x + scale * 1e-8 * noise),
        "logits of the network": near(2 * x + scale * 1e-8 * noise),
        "confusion matrix": CountsQuantity(MATRIX),
        "mean IOU": ScoreQuantity(0.9),
    }
    return {**told, **changed}


def table(**rounding):
    probes = (
        FrozenProbe(
            name="t/a: evaluation",
            states=("t/a",),
            seen=lines_of(seen(np.random.default_rng(0))),
            rounding={name.replace("_", " "): value for name, value in rounding.items()},
        ),
    )
    return FrozenTable(
        table="t", scale="smoke", weights="w", environment={}, roundings=("other kernels",), probes=probes
    )


def held(before, **changed):
    now = {"t/a: evaluation": seen(np.random.default_rng(0), 2.0, **changed)}
    return hold(before, now, {}).probes[0]


def test_rounding_is_tolerated_and_what_is_more_is_not():
    probe = held(table())
    assert probe.state == "same"
    assert max(one.distance for one in probe.comparisons) > 0
    x = np.random.default_rng(0).normal(size=4000)
    moved = near(2 * x * (1 + 1.2 * FLOOR))
    assert held(table(), **{"logits of the network": moved}).state == "moved"
    assert held(table(logits_of_the_network=1e-6), **{"logits of the network": moved}).state == "same"
    far = near(2 * x * (1 + 1.2 * FACTOR * 1e-6))
    assert held(table(logits_of_the_network=1e-6), **{"logits of the network": far}).state == "moved"


def test_the_first_place_is_named_with_what_agrees_before_it():
    other = {"logits of the network": near(np.ones(4000)), "mean IOU": ScoreQuantity(0.2)}
    probe = held(table(), **other)
    assert probe.first is not None
    assert probe.before is not None
    assert (probe.first.quantity, probe.before.quantity) == (
        "logits of the network",
        "outputs of backbone.stem (evaluation)",
    )
    assert [one.quantity for one in probe.comparisons if one.moved] == ["logits of the network", "mean IOU"]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_has_moved(wrong):
    assert held(table(), **{"logits of the network": near([wrong] * 4000)}).state == "moved"
    assert held(table(), **{"mean IOU": ScoreQuantity(wrong)}).state == "moved"


def test_what_is_new_or_gone_has_moved():
    probe = held(table(), **{"outputs of head (evaluation)": near([1.0])})
    assert [(one.quantity, one.detail) for one in probe.comparisons if one.moved] == [
        ("outputs of head (evaluation)", "is new")
    ]


def test_pixels_on_borders_are_tolerated_and_their_score_with_them():
    pixels = math.ceil(PIXELS_FLOOR * 100_000)
    matrix = np.array(MATRIX)
    matrix[2, 2] -= pixels
    matrix[2, 0] += pixels
    before, now = (float(miou(np.array(m))) for m in (MATRIX, matrix))
    told = {"confusion matrix": CountsQuantity(tuple(map(tuple, matrix.tolist())))}
    first = table().probes[0]
    lines = {**first.seen, "mean IOU": encode(ScoreQuantity(before))}
    base = table().model_copy(update={"probes": (first.model_copy(update={"seen": lines}),)})
    assert held(base, **told, **{"mean IOU": ScoreQuantity(now)}).state == "same"
    assert held(base, **told, **{"mean IOU": ScoreQuantity(now - 2 * abs(now - before))}).state == "moved"
    matrix[2, 2] -= 1
    matrix[2, 0] += 1
    assert held(base, **{"confusion matrix": CountsQuantity(tuple(map(tuple, matrix.tolist())))}).state == "moved"


def test_a_table_s_usual_rounding_is_the_median():
    probes = [
        FrozenProbe(name=str(k), states=(), seen={"a": "= x"}, rounding={"a": r}) for k, r in enumerate((1, 2, 9))
    ]
    assert usual_rounding(probes) == {"a": 2}


sums = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=SUMS, max_size=SUMS)
quantities = st.one_of(
    st.builds(Exact, st.text(st.characters(exclude_categories=["Cs", "Cc"]))),
    st.builds(ScoreQuantity, st.floats(0, 1)),
    st.builds(CountsQuantity, st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), min_size=3, max_size=3).map(tuple)),
    st.builds(Near, st.builds(Sketch, st.floats(0, 2.0**60, width=32), sums.map(tuple))),
)


@given(quantities)
def test_quantities_are_read_as_they_were_written(quantity):
    found = decode(encode(quantity))
    assert type(found) is type(quantity)
    if isinstance(quantity, Near):
        assert found.sketch.sums == quantity.sketch.sums
        assert found.sketch.norm == pytest.approx(quantity.sketch.norm, rel=1e-8)
    else:
        assert found == quantity


@pytest.mark.parametrize("line", ["", "~ 1.0 abc", "~ 1.0 AAAA", "? x", "# a b"])
def test_other_lines_are_refused(line):
    with pytest.raises(ValueError):
        decode(line)


def test_files_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "t.steps.json"
    path.write_bytes(encode_table(table(logits_of_the_network=1e-6)))
    assert read(path, "") == table(logits_of_the_network=1e-6)
    path.write_bytes(encode_table(table()).replace(b'"= abc"', b'"? abc"'))
    with pytest.raises(InputError, match=r"no quantity.*Make it anew"):
        read(path, "Make it anew.")


def test_in_words():
    result = hold(
        table(),
        {"t/a: evaluation": seen(np.random.default_rng(0), **{"logits of the network": near(np.ones(4000))})},
        {},
    )
    assert (
        headline(result) == "t at smoke, from frozen weights: 1 of 1 steps and evaluations moved by more than rounding."
    )
    ((place, count, example, difference, tolerated, before),) = first_places(result)
    assert (place, count, example, before) == (
        "logits of the network",
        "1",
        "t/a: evaluation",
        "outputs of backbone.stem (evaluation)",
    )
    assert "%, cosine" in difference
    assert tolerated == "0.0004 %"
    assert "logits of the network" in blocks(result)[1]
    root = ElementTree.fromstring(junit([], 1.0, suites(result)))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "1", "0")
    assert {case.get("classname") for case in root.iter("testcase")} == {"t.a: evaluation"}
    (row,) = json_rows([result])
    assert (row["state"], row["first"], row["comparisons"]) == ("moved", "logits of the network", 5)


def test_a_failure_in_words():
    result = hold(table(), {}, {"t/a: evaluation": "TypeError: no"})
    assert (result.passed, result.count("failed")) == (False, 1)
    assert "failed" in headline(result)
    root = ElementTree.fromstring(junit([], 1.0, suites(result)))
    assert root.get("errors") == "1"
    assert "TypeError: no" in str(first_places(result))
