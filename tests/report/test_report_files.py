"""What the files of a report are called: one name for one report, whatever the order of options."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.report.files import report_name


def test_the_whole_table_at_the_scale_of_a_laptop_has_the_tables_name():
    assert report_name("v3/table3", "tiny") == "v3-table3"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (("smoke",), "v3-table3-smoke"),
        (("paper", "camvid"), "v3-table3-paper-camvid"),
        (("tiny", None, ["last_block=4"]), "v3-table3-last_block-4-......"),
        (("smoke", None, ["last_block=4"], ["train.lr=0.004"]), "v3-table3-smoke-last_block-4-train.lr-0.004-......"),
        (("tiny", None, ["multi_grid=[1,1,1]"]), "v3-table3-multi_grid-1-1-1-......"),
        (("tiny", "own/city.toml"), "v3-table3-city-......"),
    ],
)
def test_what_differs_is_in_the_name(asked, name):
    assert re.fullmatch(name.replace("......", "[0-9a-f]{6}"), report_name("v3/table3", *asked))


ASKED = st.tuples(
    st.sampled_from(["v3/table3", "v3/table4", "xp/Größe <1>"]),
    st.sampled_from(["tiny", "smoke", "paper"]),
    st.sampled_from([None, "camvid", "a/x.toml", "b/x.toml"]),
    st.frozensets(st.sampled_from(["a=1", "a=2", "a=[1,2]", "a=(1,2)", "b=1", "b=" + 80 * "x", "b=" + 81 * "x"])),
    st.frozensets(st.sampled_from(["train.lr=1", "train.lr=2", "model.stem=beta"]), max_size=1),
)


@given(ASKED, ASKED)
def test_two_reports_share_a_name_only_if_they_were_asked_for_alike(first, second):
    names = [
        report_name(table, scale, data, sorted(only), sorted(sets))
        for table, scale, data, only, sets in (first, second)
    ]
    assert (names[0] == names[1]) == (first == second)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,110}", name)


def test_the_order_of_options_does_not_matter_and_the_last_value_counts():
    only, sets = ["a=1", "b=2"], ["train.lr=1", "train.crop=65", "train.lr=2"]
    name = report_name("v3/table3", "tiny", None, only, sets)
    assert name == report_name("v3/table3", "tiny", None, only[::-1], ["train.crop=65", "train.lr=2"])
    assert name != report_name("v3/table3", "tiny", None, only, ["train.crop=65", "train.lr=1"])
