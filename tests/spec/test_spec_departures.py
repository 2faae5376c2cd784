"""Which departures make a value another experiment's: all but how it is computed, and what a cell never reads."""

from __future__ import annotations

import pytest

from repro.spec.departures import asked_for, changed_line, named
from repro.spec.load import Suite
from repro.spec.resolve import Resolved, resolve


def cell(suite: Suite, name: str, *overrides: str, row: int = 0, dataset: str | None = None) -> Resolved:
    """A table's measured cell at scale paper."""
    spec = suite.find(name)
    measured = [c for c in spec.cells() if c.kind == "measured"]
    return resolve(suite, spec, measured[row].settings, "paper", dataset, overrides)


def keys(resolved: Resolved) -> list[str]:
    return [d.key for d in resolved.departures]


def test_no_published_cell_departs_from_itself(suite: Suite) -> None:
    for spec in suite.select(["all"]):
        for one in spec.cells():
            if one.kind == "measured":
                assert resolve(suite, spec, one.settings, "paper").departures == ()


@pytest.mark.parametrize(
    "override",
    [
        "model.width=8", "model.stem=conv7", "train.iterations=300", "train.batch_size=8", "train.crop=257",
        "train.start=random", "data.train_images=100", "data.val_images=7", "data.val_split=train",
        "evaluate.canvas=[257, 257]", "evaluate.flip=true", "evaluate.output_stride=8", "evaluate.trimap_px=4",
    ],
)  # fmt: skip
def test_what_changes_the_measurement_departs(suite: Suite, override: str) -> None:
    assert override.partition("=")[0] in keys(cell(suite, "v3/table3", override))


def test_a_value_that_is_the_papers_own_is_no_departure(suite: Suite) -> None:
    assert cell(suite, "v3/table3", "train.iterations=30000", "train.crop=513").departures == ()


@pytest.mark.parametrize("override", ["train.precision=float32", "evaluate.precision=float32", "evaluate.batch_size=1"])
def test_how_it_is_computed_departs_from_nothing(suite: Suite, override: str) -> None:
    resolved = cell(suite, "v3/table3", override)
    assert [d.key for d in resolved.deviations] == [override.partition("=")[0]]  # and is listed nevertheless
    assert resolved.departures == ()


def test_what_seeds_share_departs_from_nothing(suite: Suite) -> None:
    resolved = cell(suite, "v3/table3", "seeds.first_training=own", "train.start=coco")
    assert [d.key for d in resolved.deviations] == ["train.start", "seeds.first_training"]
    assert keys(resolved) == ["train.start"]


def test_first_trainings_count_where_a_cell_has_them(suite: Suite) -> None:
    assert cell(suite, "v3/table3", "pretrain.iterations=5", "coco.iterations=5").departures == ()
    assert "pretrain.iterations" in keys(cell(suite, "v3/table3", "pretrain.iterations=5", "train.start=presence"))
    assert keys(cell(suite, "v3/table3", "coco.iterations=5", "train.start=coco")) == ["train.start", "coco.iterations"]
    through_coco = cell(suite, "v3/table3", "pretrain.lr=0.1", "train.start=coco", "coco.start=presence")
    assert "pretrain.lr" in keys(through_coco)


def test_another_data_set_departs(suite: Suite) -> None:
    resolved = cell(suite, "v3/table3", dataset="camvid")
    assert {"data.name", "data.classes"} <= set(keys(resolved))
    assert [d.key for d in asked_for(resolved.deviations)] == ["data.name"]


def test_a_crf_departs_in_its_parameters_not_in_its_backend(suite: Suite) -> None:
    without, with_crf = -2, -1  # the table's last two cells
    backend = "evaluate.crf?.backend=pydensecrf"
    assert cell(suite, "v2/table4", backend, row=with_crf).departures == ()
    assert keys(cell(suite, "v2/table4", backend, "evaluate.crf?=v1", row=with_crf)) == ["evaluate.crf"]
    assert cell(suite, "v2/table4", "evaluate.crf?=v1", row=without).departures == ()
    assert keys(cell(suite, "v2/table4", "evaluate.crf.w1=3.0", row=without)) == ["evaluate.crf"]


def test_words() -> None:
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert named(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"
    assert changed_line(2, 2, ["train.lr"]).startswith(
        "Measured with a setting other than the paper's (train.lr): that"
    )
    assert changed_line(1, 3, ["a", "b"]).startswith("Of 3 cells, one measured with settings other than the paper's (a")
    assert " says nothing" in changed_line(1, 3, ["a"])
    assert " say nothing" in changed_line(2, 3, ["a"])
