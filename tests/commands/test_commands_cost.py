"""`repro cost` against the printed figures and for configurations that no paper has."""

import json

import pytest

from repro.commands.cost import main
from repro.errors import InputError
from repro.run.computed import published_values
from repro.spec.load import load_suite


def _rows(capsys, table, *overrides, only=()):
    main([table], list(only), list(overrides), None, True)
    return json.loads(capsys.readouterr().out)["rows"]


def test_only_one_figure_differs_from_print(capsys):
    rows = _rows(capsys, "v3plus/table3")
    assert len(rows) == 14
    off = [r for r in rows if round(r["value"] - r["published"], 2)]
    assert {(r["published"], round(r["value"], 2)) for r in off} == {(101.28, 102.78)}
    assert all(r["plain_multiply_adds"] < r["value"] for r in rows)


def test_people_see_the_note_of_the_contradicting_figure(capsys):
    main(["v3plus/table3"], ['decoder=["conv2"]', "train.output_stride=32"], [], None, False)
    out = capsys.readouterr().out
    assert "differs" in out
    assert "102.78" in out
    assert "contradicts its neighbours" in out


def test_valid_weights_of_v3_figure_4():
    suite = load_suite()
    table = suite.find("v3/fig4")
    values = published_values(suite, table.cells())
    assert len(values) == 33
    for cell in table.cells():
        assert round(values[cell.id] - cell.published, 4) == 0, cell.id


def test_another_configuration(capsys):
    only = ["train.output_stride=32", "decoder=[]"]
    usual = _rows(capsys, "v3plus/table3", only=only)[0]
    changed = _rows(capsys, "v3plus/table3", "evaluate.canvas=[769,1537]", "data.name=cityscapes", only=only)[0]
    area = 769 * 1537 / 513**2
    assert changed["value"] / usual["value"] == pytest.approx(
        area, rel=0.03
    )  # padding to rates, terms that are counted once
    assert changed["parameters"] == pytest.approx(usual["parameters"] - 2 * 257 / 1e6, abs=1e-6)


def test_a_table_without_computed_cells_shows_each_networks_cost(capsys):
    rows = _rows(capsys, "v3/table2", "model.backbone=resnet50")
    assert rows
    assert all(r["published"] is None and r["value"] > 10 for r in rows)


def test_a_stride_out_of_reach_is_told(capsys):
    with pytest.raises(InputError, match=r"evaluate.output_stride: .*out of reach"):
        _rows(capsys, "v2/table1", "evaluate.output_stride=64")
