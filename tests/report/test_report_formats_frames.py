"""Frames and their files."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_fixture import content, usual, without_results

from repro.errors import InputError
from repro.report.formats import frames


def test_one_row_per_cell_with_the_numbers_unrounded():
    frame = frames.cells_frame(usual())
    assert len(frame) == 20
    assert frame.published.iloc[0] == 68.39
    assert frame.value.iloc[0] == 100 * np.mean(list(usual().cells[0].values.values()))
    assert frame.state.tolist()[-2:] == ["failed", "missing"]
    assert frame.set_index("id").loc["v3/table3/2-2-2/block6", "reason"] == "loss became NaN at iteration 83"
    assert (frame.low.dropna() < frame.value.dropna()).all()


def test_a_row_has_one_unit():
    frame = frames.cells_frame(content(scale="paper", broken=False))
    assert set(frame.unit) == {"%"}
    # the fixture's scores lie within 2 points of the published ones: a share among per cents would be 50 away
    assert (frame.value - frame.published).abs().max() < 3
    pd.testing.assert_series_equal(frame.difference, frame.value - frame.published, check_names=False)
    assert (frame.high - frame.low).max() > 0.1
    assert frames.seeds_frame(usual()).value.min() > 1
    mixed = frames.cells_frame(content(table="v3plus/table5"))
    assert set(mixed.unit[mixed.metric == "multiply_adds"]) == {"B"}


COLUMNS = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


@pytest.mark.parametrize(
    ("frame", "columns"),
    [("cells", frames.CELL_COLUMNS), ("seeds", frames.SEED_COLUMNS), ("claims", frames.CLAIM_COLUMNS)],
)
def test_the_page_on_formats_describes_every_column(frame, columns):
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    part = page.split(f"**{frame}**: one row")[1].split("\n**")[0]
    assert {name for found in COLUMNS.findall(part) for name in re.findall(r"\w+", found)} == set(columns)


def test_one_row_per_cell_and_seed():
    frame = frames.seeds_frame(usual())
    assert len(frame) == 36
    assert frame.groupby("id").seed.apply(list).tolist() == [[0, 1]] * 18
    means = frame.groupby("id").value.mean()
    cells = frames.cells_frame(usual()).set_index("id").value.dropna()
    pd.testing.assert_series_equal(means.sort_index(), cells.sort_index(), check_names=False)


def test_one_row_per_claim():
    frame = frames.claims_frame(usual())
    assert frame.id.tolist() == [claim.id for claim in usual().claims]
    assert set(frame.verdict) <= {"supported", "contradicted", "inconclusive", "not run"}


def test_csv_reads_back_exactly():
    frame = frames.seeds_frame(usual())
    data = frames.to_csv(frame)
    assert b"\r" not in data
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(data), dtype={"evaluation": str}), frame, check_dtype=False)


def test_parquet_reads_back_exactly():
    pytest.importorskip("pyarrow")
    for frame in frames.frames(usual()).values():
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(frames.to_parquet(frame))), frame, check_dtype=False)


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(frames, "import_module", missing)
    with pytest.raises(InputError, match=r"pyarrow is not installed\. Run `python -m pip install pyarrow`"):
        frames.to_parquet(frames.cells_frame(usual()))


def test_json_has_everything_and_no_number_that_json_lacks():
    document = json.loads(frames.to_json(content(seeds=(0,))), parse_constant=pytest.fail)
    assert document["schema"] == frames.SCHEMA
    assert [row["id"] for row in document["cells"]] == [c.cell.id for c in usual().cells]
    assert document["cells"][0]["covers"] == "images only"
    assert {d["key"] for d in document["deviations"]} >= {"data.name", "train.iterations"}


def test_frames_of_an_empty_report_keep_their_columns():
    empty = frames.frames(without_results(usual()))
    assert len(empty["seeds"]) == len(empty["claims"]) == 0
    assert list(empty["seeds"].columns) == list(frames.SEED_COLUMNS)
    assert list(empty["cells"].columns) == list(frames.CELL_COLUMNS)
