"""Expansion of a spec into cells."""

from __future__ import annotations

import pytest
from spec_files import TABLE, Write

from repro.errors import InputError
from repro.spec.expand import slug
from repro.spec.load import Suite

ROWS = """
id = "mine/grid"
title = "Rows"
source = { paper = "mine" }
headings = ["OS", "Decoder", "MS"]
protocol = { model.head = "aspp" }
columns = [{ metric = "miou" }, { metric = "multiply_adds" }]
rows = [
    { printed = ["16", "–", "–"], published = [77.21, 81.02] },
    { printed = ["16", "✓", "–"], set = { model.decoder = ["conv2"] }, published = [78.850, "unknown"] },
    { printed = ["8", "✓", "✓"], published = [80, 297.92], set.model.decoder=["conv2"], set.evaluate.output_stride=8 },
    { label = "Another system", kind = "quoted", note = "its own paper", published = [70.1, 5] },
]
"""


def test_grid_is_read_row_by_row(write: Write) -> None:
    cells = write().find("grid").cells()
    assert [c.published for c in cells] == [60.5, 61.0, None, 62.1, 63.25, 64.0]
    assert [c.decimals for c in cells] == [2, 0, 2, 1, 2, 1]  # of an unknown number: those that ours has
    assert [(c.row, c.column) for c in cells] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert cells[4].id == "mine/grid/1-2-1/block5"
    assert (cells[4].row_label, cells[4].column_label) == ("(1, 2, 1)", "block5")
    assert cells[4].settings == {"model.multi_grid": (1, 2, 1), "model.last_block": 5}
    assert {c.kind for c in cells} == {"measured"}


def test_one_axis_makes_one_row(suite: Suite) -> None:
    spec = suite.find("table1")
    assert spec.shape() == (1, 6)
    cell = spec.cells()[2]
    assert cell.id == "v3/table1/output-stride-32"
    assert cell.settings == {"train.output_stride": 32, "evaluate.output_stride": 32}


def test_rows_have_labels_from_what_is_printed_and_settings_filled_in(write: Write) -> None:
    cells = write(ROWS).find("mine/grid").cells()
    assert [c.row_label for c in cells[::2]] == ["OS 16", "OS 16, Decoder", "OS 8, Decoder, MS", "Another system"]
    assert cells[0].id == "mine/grid/os-16/miou"
    assert cells[0].settings == {"model.decoder": (), "evaluate.output_stride": 16}
    assert cells[4].settings == {"model.decoder": ("conv2",), "evaluate.output_stride": 8}
    assert [c.kind for c in cells] == ["measured", "computed"] * 3 + ["quoted", "computed"]
    assert cells[6].settings == {}
    assert cells[6].note == "its own paper"
    assert cells[2].decimals == 3
    assert cells[3].published is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'printed = ["16", "–", "–"]',
            'printed = ["16", "–"]',
            "rows[0].printed: 2 entries for 3 headings. Give one each, or a label.",
        ),
        ("[77.21, 81.02]", "77.21", "rows[0].published: 1 values for 2 columns. Give one each."),
        ("multiply_adds", "multiply_add", 'columns[1].metric: "multiply_add" is not one of miou, pixel_accuracy'),
        (
            '["conv2"] }, p',
            '["conv4"] }, p',
            'rows[1].set.model.decoder: "conv4" is not one of conv2, conv3. Did you mean',
        ),
        (
            "output_stride=8",
            "output_strid=8",
            "rows[2].set.evaluate.output_strid: there is no such setting. Did you mean evaluate.output_stride",
        ),
        ("[77.21, 81.02]", "[true, 81.02]", "rows[0].published: true is not a number."),
        ('"8", "✓", "✓"', '"16", "✓", "–"', 'rows: "OS 16, Decoder" stands twice. Give each its own label.'),
        ("rows = [", "row = [", "row: unknown key. Did you mean 'rows'"),
        (
            "headings =",
            'axes = [{ key = "model.width", values = [1] }]\nheadings =',
            "a table needs either `axes` or `rows`.",
        ),
    ],
)
def test_slips_in_rows(write: Write, old: str, new: str, told: str) -> None:
    assert old in ROWS
    with pytest.raises(InputError) as caught:
        write(ROWS.replace(old, new)).find("mine/grid")
    assert f"specs/grid.toml: {told}" in str(caught.value)


def test_axis_needs_values_or_points(write: Write) -> None:
    with pytest.raises(InputError, match="an axis needs either `key` and `values`, or `points`"):
        write(TABLE.replace('key = "model.last_block"', ""))


def test_points_set_several_keys(write: Write) -> None:
    a, b = "{ train.crop = 321 }", "{ train.crop = 513, train.flip = false }"
    points = f'points = [{{ label = "A", set = {a} }}, {{ label = "B", set = {b} }}]'
    table = TABLE.replace('key = "model.multi_grid"\nvalues = [[1, 1, 1], [1, 2, 1]]', points)
    cells = write(table).find("grid").cells()
    assert cells[0].settings == {"train.crop": 321, "train.flip": True, "model.last_block": 4}
    assert cells[3].settings == {"train.crop": 513, "train.flip": False, "model.last_block": 4}


def test_ids_are_unique_in_the_suite(suite: Suite) -> None:
    ids = [c.id for t in suite.select(suite.tables) for c in t.cells()]
    assert len(ids) == len(set(ids))


def test_slug() -> None:
    assert slug("(1, 2, 1)") == "1-2-1"
    assert slug("ResNet-101, OS 16") == "resnet-101-os-16"
    assert slug("–") == "x"
