"""What `repro show` prints: kinds of cells, notes of rows, deviations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.commands.show import main

Show = Callable[..., str]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    def shown(*tables: str, scale: str = "paper", resolved: bool = False, as_json: bool = False) -> str:
        main(tables, scale, None, (), (), resolved, None, as_json)
        return capsys.readouterr().out

    return shown


def test_every_cell_says_what_it_is(show: Show) -> None:
    lines = show("v3plus/table5").splitlines()
    jft = next(line for line in lines if line.startswith("eval OS 16, Decoder, SC, COCO, JFT "))
    assert jft.split()[-4:] == ["83.03", "q", "54.17", "="]
    plain = next(line for line in lines if line.startswith("eval OS 8, MS  "))
    assert plain.split()[-3:] == ["81.15", "2149.91", "="]
    legend = next(line for line in lines if line.startswith("  measured: "))
    assert "exactly (=)" in legend
    assert "never claimed as ours (q)" in legend


@pytest.mark.parametrize("table", ["v3plus/table5", "v3plus/table6", "v3/table7"])
def test_jft_rows_say_why_nobody_outside_can_repeat_them(show: Show, table: str) -> None:
    told = [line for line in show(table).splitlines() if "JFT" in line and "nobody outside can repeat" in line]
    assert len(told) == 1


def test_the_contradicting_cell_is_flagged(show: Show) -> None:
    assert any("101.28" in line and "102.78" in line for line in show("v3plus/table3").splitlines())


def test_of_a_group_of_settings_only_what_differs_is_shown(show: Show) -> None:
    row = next(line for line in show("v2/table3", scale="tiny").splitlines() if line.startswith("evaluate.crf"))
    assert "sigma_alpha" in row
    assert "normalization" not in row
    assert "iterations 10" not in row


def test_resolved_prints_each_measured_cells_protocol(show: Show) -> None:
    import json

    rows = json.loads(show("v3/table3", resolved=True, as_json=True))["rows"]
    assert len(rows) == 20
    assert {row["protocol"]["train"]["crop"] for row in rows} == {513}
    assert all(row["deviations"] == [] for row in rows)


def test_resolved_sets_apart_what_tells_cells_apart(show: Show) -> None:
    lines = [line.split() for line in show("v3/table4", resolved=True).splitlines()]
    assert ["train.crop", "513"] in lines
    assert ["model.multi_grid", "[1,", "2,", "1]"] in lines
    assert ["cell", "evaluate.output_stride", "evaluate.scales", "evaluate.flip"] in lines
    assert ["v3/table4/os-16", "16", "[1.0]", "false"] in lines
    last = ["v3/table4/os-8-ms-flip", "8", "[0.5,", "0.75,", "1.0,", "1.25,", "1.5,", "1.75]", "true"]
    assert last in lines
    assert "no cell is measured here" in show("v3/table7", resolved=True)


def test_units_and_unset_values_are_told(show: Show) -> None:
    assert "Multiply-Adds [B]" in show("v3plus/table3")
    side = next(line for line in show("v3/table3", scale="tiny").splitlines() if line.startswith("data.side"))
    assert side.split()[:3] == ["data.side", "none", "129"]
