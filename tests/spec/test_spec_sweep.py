"""Sweeps: the cells of a table with each of several values of a setting."""

import pytest

from repro.errors import InputError
from repro.plan.only import choose
from repro.spec.load import load_suite
from repro.spec.sweep import Sweep, read_sweeps, swept

SUITE = load_suite()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("train.lr=0.004,0.008", (0.004, 0.008)),
        ("model.multi_grid=[1,1,1],[1,2,1]", ((1, 1, 1), (1, 2, 1))),
        ("train.optimizer=sgd, adamw", ("sgd", "adamw")),
        ('data.name="a,b",c', ("a,b", "c")),
    ],
)
def test_values_are_spelt_as_with_set(text, values):
    assert read_sweeps([text]) == (Sweep(text.split("=")[0], values),)


@pytest.mark.parametrize(
    ("texts", "overrides", "message"),
    [
        (["train.lr=0.1"], [], r"--sweep train\.lr: two values or more"),
        (["train.lr"], [], "two values or more"),
        (["train.lr=0.1,,0.2"], [], "two values or more"),
        (["train.lrr=1,2"], [], r"--sweep train\.lrr: there is no such setting\. Did you mean train\.lr"),
        (["train.lr=1e-3,0.001"], [], r"0\.001 stands twice"),
        (["train.lr=1,2", "train.lr=3,4"], [], "given twice"),
        (["train.lr=1,2"], ["train.lr=3"], "given twice"),
        (["evaluate.crf?.w1=1,2"], [], "cannot be swept"),
    ],
)
def test_what_is_no_sweep(texts, overrides, message):
    with pytest.raises(InputError, match=message):
        read_sweeps(texts, overrides)


def test_every_cell_with_every_combination():
    table = SUITE.find("v3/table3")
    wide = swept(table, read_sweeps(["train.lr=0.004,0.007", "train.momentum=0.8,0.9"]))
    cells = wide.cells()
    assert len(cells) == 4 * len(table.cells())
    assert len({cell.id for cell in cells}) == len({(cell.row, cell.column) for cell in cells}) == len(cells)
    assert wide.shape() == (4 * 5, 4)
    one = cells[0]
    assert one.id == "v3/table3/1-1-1/block4/lr-0.004/momentum-0.8"
    assert one.row_label == "(1, 1, 1), lr 0.004, momentum 0.8"
    assert wide.swept(one) == {"train.lr": "0.004", "train.momentum": "0.8"}
    # the published number belongs to the published rate and momentum alone: 0.007 and 0.9
    assert {c.id.split("/", 4)[4] for c in cells if c.published is not None} == {"lr-0.007/momentum-0.9"}
    assert {c.published for c in cells} - {None} == {c.published for c in table.cells()}
    # and differences are to that combination of the same row and column
    assert wide.baselines()[one.id] == "v3/table3/1-1-1/block4/lr-0.007/momentum-0.9"
    assert wide.claims == ()
    assert table.claims  # the table itself stays as it was
    assert len(table.cells()) == 20


def test_cells_can_be_chosen_by_what_is_swept():
    wide = swept(SUITE.find("v3/table3"), read_sweeps(["train.lr=0.004,0.008"]))
    chosen = choose([wide], ["lr=0.008", "last_block=5"])[wide.id]
    assert len(chosen) == 5
    assert {cell.settings["train.lr"] for cell in chosen} == {0.008}
    assert set(wide.baselines().values()) == {c.id for c in wide.cells() if c.settings["train.lr"] == 0.004}


def test_printed_rows_get_a_column_and_quoted_ones_go():
    table = SUITE.find("v3plus/table3")
    wide = swept(table, read_sweeps(["train.lr=0.001,0.002"]))
    assert wide.headings == (*table.headings, "lr")
    measured = {cell.row for cell in table.cells() if cell.kind == "measured"}
    assert len(wide.rows) == 2 * len(measured)
    assert [row.printed[-1] for row in wide.rows[:2]] == ["0.001", "0.002"]
    assert {cell.kind for cell in wide.cells()} == {"measured"}


def test_a_part_of_a_setting_can_be_swept():
    """`evaluate.crf.w1` is a part of the value `evaluate.crf`, which is off in this table."""
    wide = swept(SUITE.find("v3/table3"), read_sweeps(["evaluate.crf.w1=3,4"]))
    assert {cell.published for cell in wide.cells()} == {None}
    assert len(wide.cells()) == 40


def test_a_table_without_sweeps_is_itself():
    table = SUITE.find("v3/table3")
    assert swept(table, ()) is table


@pytest.mark.parametrize(
    ("table", "sweep", "message"),
    [
        ("v3/table3", "model.last_block=4,5", "v3/table3 varies it already"),
        ("v3plus/table6", "train.lr=1,2", "nothing to sweep"),
        ("v3/table3", 'data.train_split="a b","a-b"', "would give cells of v3/table3 one id"),
        ("v3/table3", "train.lr=" + ",".join(f"0.{k:03d}" for k in range(1, 60)), "more than 1,000 cells"),
    ],
)
def test_what_cannot_be_swept(table, sweep, message):
    with pytest.raises(InputError, match=message):
        swept(SUITE.find(table), read_sweeps([sweep]))
