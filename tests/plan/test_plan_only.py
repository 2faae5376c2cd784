"""--only: which cells it leaves, what it says of a slip, and of the cells that claims would need."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.errors import InputError
from repro.plan.caveats import caveats
from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.only import choose, left_out, option, read_only
from repro.plan.plan import Request, build
from repro.spec.load import load_suite
from repro.spec.questions import question
from repro.spec.reading import read_value, spelt

INPUTS = Inputs(lambda *_: "", lambda *_: Code(()), lambda _: tuple("abcdefghi"), lambda *_: "")


@pytest.fixture(scope="module")
def suite():
    return load_suite()


def chosen(suite, table, *only):
    return choose([suite.find(table)], only)[suite.find(table).id]


@pytest.mark.parametrize(
    ("table", "only", "count"),
    [
        ("table3", ["last_block=7"], 5),
        ("table3", ["last_block=7", "last_block=4"], 10),
        ("table3", ["multi_grid=[1,2,1]", "last_block=7"], 1),
        ("table3", ["row=(1, 2, 1)"], 4),
        ("v3plus/table2", ["decoder=conv2"], 5),
        ("v3plus/table2", ['decoder=["conv2"]'], 5),
        ("v2/table1", ["atrous_rates=4"], 8),
        ("v3plus/table1", ["column=8"], 1),
        ("v3plus/table1", ['column="8"'], 1),
    ],
)
def test_cells_that_are_left(suite, table, only, count):
    found = chosen(suite, table, *only)
    assert len(found) == count
    assert {cell.id for cell in found} <= {cell.id for cell in suite.find(table).cells()}


@pytest.mark.parametrize(
    ("table", "only", "told"),
    [
        ("table3", ["last_block=9"], "--only last_block=9: no cell has that. There are 4; 5; 6; 7."),
        ("table3", ["lst_block=9"], "--only lst_block: no cell has \"lst_block\". Did you mean 'last_block'?"),
        ("table3", ["last_block"], "--only last_block: no value. Write KEY=VALUE"),
        ("table3", ["last_block=4", "column=block5"], "no cell fits all of it. Loosen one of them; `repro show"),
        ("v3plus/table2", ["decoder=conv4"], "Did you mean --only 'decoder=[\"conv2\"]'?"),
        ("v3plus/table2", ["decoder=[conv2]"], "Did you mean --only 'decoder=[\"conv2\"]'"),
        ("pitfalls/deeplabv3", ["row=bgr"], "Did you mean --only 'row=weights made for RGB given BGR'?"),
        ("table6", ["row=OS=9"], "Did you mean --only row=OS=8 or"),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_what_could_be_typed(suite, table, only, told):
    with pytest.raises(InputError) as caught:
        chosen(suite, table, *only)
    assert told in str(caught.value)


def test_long_tables_are_not_listed_whole(suite):
    with pytest.raises(InputError) as caught:
        chosen(suite, "pitfalls/deeplabv3", "row=nothing of the kind")
    told = str(caught.value)
    assert "; and 27 more, see `repro show pitfalls/deeplabv3`" in told
    assert len(told) < 500


def test_what_is_proposed_can_be_typed(suite):
    for table in suite.select(["all"]):
        for cell in table.cells():
            for key, value in (("row", cell.row_label), ("column", cell.column_label), *cell.settings.items()):
                words = shlex.split(option(key, value))
                assert words[0] == "--only"
                assert cell in choose([table], words[1:])[table.id], words


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(-1e50, 1e50).map(lambda x: x + 0.0)
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1),
    lambda inner: st.lists(inner.filter(lambda v: v is not None), max_size=3).map(tuple),
    max_leaves=5,
)  # fmt: skip


@given(VALUES)
def test_a_value_is_spelt_as_it_is_read(value):
    assert read_value(spelt(value)) == value


def test_a_reference_row_that_is_left_out_is_named(suite):
    table, only = suite.find("pitfalls/deeplabv3"), ("row=crop 321",)
    told = left_out(suite, table, choose([table], only)[table.id], only)
    assert told == (
        "pitfalls/deeplabv3: --only leaves out 1 cell that claims need to be judged (pitfalls.v3.small-crop). "
        "To take them along, add --only 'row=as published'."
    )
    both = (*only, "row=as published")
    assert left_out(suite, table, choose([table], both)[table.id], both) == ""
    assert left_out(suite, table, table.cells(), ()) == ""
    table, only = suite.find("v3/table3"), ("last_block=4",)
    assert left_out(suite, table, choose([table], only)[table.id], only) == ""  # v3.t3.c5 is about block4 alone


def test_the_options_proposed_make_every_claim_whole(suite):
    for name in ("v3/table3", "pitfalls/deeplabv3", "v3/table6", "v3plus/table1"):
        table = suite.find(name)
        for cell in table.cells()[:8]:
            only = [shlex.split(option("row", cell.row_label))[1], shlex.split(option("column", cell.column_label))[1]]
            told = left_out(suite, table, choose([table], only)[table.id], only)
            if "add " not in told:
                continue
            more = [w for w in shlex.split(told.partition("add ")[2].removesuffix(".")) if w != "--only"]
            ids = {c.id for c in choose([table], [*only, *more])[table.id]}
            for claim in table.claims:
                if claim.id in told:
                    needed = {c.id for c in question(claim, suite.cells_of(claim, table)).cells if c.table == name}
                    assert needed <= ids


def told_of(suite, table, **more):
    return list(caveats(suite, build(suite, Request((suite.find(table),), "smoke", 2, **more), INPUTS)))


def test_rows_with_identical_settings_are_told(suite):
    assert told_of(suite, "v3/table3") == []
    (line,) = told_of(suite, "v3/table3", overrides=("model.multi_grid=[1,2,1]",))
    assert line.startswith(
        "v3/table3: cells with identical settings are one evaluation, and no claim can tell them apart: "
        "((1, 1, 1), block4; (1, 2, 1), block4; (1, 2, 3), block4; (1, 2, 4), block4; 1 more) and ((1, 1, 1), block5; "
    )
    assert line.endswith(", and 2 more such groups.")


def test_labels_of_digits_are_labels():
    assert read_only(["row=16", "last_block=16", "column=true"]) == {
        "row": ["16"],
        "last_block": [16],
        "column": ["true"],
    }
