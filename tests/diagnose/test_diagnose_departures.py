"""Sizes of departures are the papers' own differences where there are any, else those of the known mistakes."""

from __future__ import annotations

import pytest

from repro.diagnose.departures import diagnose, verdict
from repro.diagnose.recipe_keys import Recipe
from repro.errors import InputError


def cell_of(suite, table, label):
    return next(c for c in suite.find(table).cells() if c.row_label == label and c.metric == "miou")


def diagnosed(suite, settings, table="v3/table6", label="OS=16"):
    recipe = Recipe("your protocol")
    recipe.state(settings, "own.toml")
    return diagnose(suite, cell_of(suite, table, label), recipe)


def test_the_published_protocol_has_no_departure(suite):
    found = diagnosed(suite, {"train.batch_size": 16, "train.crop": 513})
    assert found.departures == ()
    assert found.published == 77.21
    assert found.high - found.published == pytest.approx(found.margin)
    assert "train.batch_size" not in found.unstated
    assert "train.upsample_logits" in found.unstated[:12]


@pytest.mark.parametrize(
    ("settings", "points", "source"),
    [
        ({"train.batch_size": 4}, 64.43 - 77.21, "v3/table9"),
        ({"train.batch_size": 12}, 76.49 - 77.21, "v3/table9"),
        ({"train.crop": 321}, 67.22 - 77.21, "v3/table8"),
        ({"train.upsample_logits": False}, 76.01 - 77.21, "v3/table8"),
        ({"evaluate.output_stride": 8}, 78.51 - 77.21, "v3/table6"),
    ],
)
def test_sizes_that_the_paper_printed(suite, settings, points, source):
    (departure,) = diagnosed(suite, settings).departures
    assert departure.points is not None
    assert min(departure.points) == pytest.approx(points)
    assert source in departure.source


def test_several_departures_of_one_printed_cell_are_one(suite):
    scales = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    found = diagnosed(suite, {"evaluate.output_stride": 8, "evaluate.scales": scales, "evaluate.flip": True})
    (departure,) = found.departures
    assert {d.key for d in departure.settings} == {"evaluate.output_stride", "evaluate.scales", "evaluate.flip"}
    assert departure.points is not None
    assert departure.points[0] == pytest.approx(79.77 - 77.21)


def test_known_mistakes_and_what_nobody_measured(suite):
    found = diagnosed(suite, {"train.align_corners": True, "evaluate.align_corners": False, "train.lr": 0.01})
    mistake, unknown = found.departures
    assert mistake.points == (-5, -3)
    assert mistake.cause == "corners aligned in training, not at test"
    assert any("pitfalls/deeplabv3" in command for command in mistake.commands)
    assert [d.key for d in unknown.settings] == ["train.lr"]
    assert unknown.points is None
    assert found.low == pytest.approx(77.21 - 5 - found.margin)
    assert found.high == pytest.approx(77.21 - 3 + found.margin)


def test_separable_convolutions_without_batch_normalisation_in_between_are_known(suite):
    own = {"model.separable": True, "model.depthwise_batch_norm": False}
    found = diagnosed(suite, own, "pitfalls/deeplabv3plus", "as published")
    causes = [departure.cause for departure in found.departures]
    assert "separable convolutions without batch normalisation and ReLU after the depthwise part (v3+)" in causes
    assert any("without batch normalisation and ReLU between" in c for d in found.departures for c in d.commands)


def test_nobody_can_explain_74_94_by_less(suite):
    """tensorflow/models#5116: 74.94 for 78.85 with small batches by device and the script's default flags."""
    settings = {"model.multi_grid": [1, 1, 1], "model.separable": True, "train.batch_norm_parts": 4}
    found = diagnosed(suite, settings, "v3plus/table3", "train OS 16, eval OS 16, Decoder")
    assert found.low < 74.94 < found.high
    assert "enough to explain it" in verdict(found, 74.94, [])
    assert "no gap" in verdict(found, 78.6, [])
    assert "below that range" in verdict(found, 60, [])
    assert "above that range" in verdict(found, 77.9, [])


def test_settings_that_contradict_each_other(suite):
    with pytest.raises(InputError, match="not alike"):
        diagnosed(suite, {"train.batch_size": 10, "train.batch_norm_parts": 4})
    with pytest.raises(InputError, match=r"own\.toml"):
        diagnosed(suite, {"train.crop": 10_000_000})
    with pytest.raises(InputError, match=r"own\.toml"):
        diagnosed(suite, {"train.batch_size": "8"})


def test_a_number_of_another_data_set_is_not_held_against_the_published_one(suite):
    found = diagnosed(suite, {"data.name": "cityscapes", "data.classes": 19})
    assert found.dataset == "cityscapes"
    assert "cannot be held against" in verdict(found, 78.0, [])
