"""Each row of the pitfalls is the correct protocol with one thing wrong, at every scale and on other photographs."""

from __future__ import annotations

from typing import Any

import pytest

from repro.spec.keys import flat_of
from repro.spec.load import Suite
from repro.spec.resolve import resolve

TABLES = ("pitfalls/deeplabv2", "pitfalls/deeplabv3", "pitfalls/deeplabv3plus")
RIGHT = "as published"
SCALES = ("paper", "small", "tiny", "smoke")
TWO_KEYS = {
    "multi-grid missing and separable head",
    "step policy",
    "corners not aligned",
    "separable convolutions without batch normalisation and ReLU between depthwise and pointwise",
    "multi-scale test, images rescaled before padding",
}
"""Rows in which two keys make the mistake together."""
FLAGS = "the training script's default flags"
"""Six of them, which people leave as they are all at once."""


def _protocols(suite: Suite, table: str, scale: str, dataset: str | None = None) -> dict[str, dict[str, Any]]:
    spec = suite.find(table)
    return {
        cell.row_label: flat_of(resolve(suite, spec, cell.settings, scale, dataset).protocol) for cell in spec.cells()
    }


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("table", TABLES)
def test_a_row_is_the_right_protocol_with_one_thing_wrong(suite: Suite, table: str, scale: str) -> None:
    rows = _protocols(suite, table, scale)
    right = rows.pop(RIGHT)
    told = set()
    for label, found in rows.items():
        changed = {key for key in right if found[key] != right[key]}
        # what a scale does to another split, and to a training on MS-COCO that is not made
        changed -= {"data.train_images"} if "data.train_split" in changed else set()
        changed = {k for k in changed if not k.startswith("coco.")} if "train.start" in changed else changed
        # nor to the width of a decoder that is not there
        changed = {k for k in changed if not k.startswith("model.decoder_")} if "model.decoder" in changed else changed
        if label == FLAGS:
            assert len(changed) >= 4
        else:
            assert len(changed) == (2 if label in TWO_KEYS else 1), (label, changed)
        told.add(repr(sorted((key, found[key]) for key in changed)))
    assert len(told) == len(rows)


@pytest.mark.parametrize(
    ("scale", "dataset"),
    [*((scale, None) for scale in SCALES), ("tiny", "camvid"), ("smoke", "camvid"), ("tiny", "voc2012")],
)
@pytest.mark.parametrize("table", TABLES)
def test_views_and_windows_fit_the_canvas_and_are_not_the_whole(
    suite: Suite, table: str, scale: str, dataset: str | None
) -> None:
    seen = 0
    for label, found in _protocols(suite, table, scale, dataset).items():
        canvas = found["evaluate.canvas"]
        for key in ("evaluate.squash", "evaluate.centre_crop", "train.squash"):
            if (size := found[key]) is not None:
                seen += 1
                assert size[0] <= canvas[0], label
                assert size[1] <= canvas[1], label
                square_images = found["data.name"] == "scenes"
                assert (size[0] == size[1]) != square_images, label
        if (window := found["evaluate.pooling_px"]) is not None:
            seen += 1
            assert window < min(canvas), label
    assert seen == {"pitfalls/deeplabv2": 1, "pitfalls/deeplabv3": 4, "pitfalls/deeplabv3plus": 0}[table]


def test_the_right_rows_make_no_mistake(suite: Suite) -> None:
    for table in TABLES:
        for row in (RIGHT, *(["multi-scale test"] if table.endswith("v3") else [])):
            found = _protocols(suite, table, "paper")[row]
            assert found["model.input"] == "right"
            assert found["evaluate.input"] == "as_trained"
            assert found["train.weight_decay_on"] == "convolutions"
            assert found["train.label_padding"] == "void"
            assert found["train.batch_norm_parts"] == 1
            assert found["train.align_corners"]
            assert found["evaluate.align_corners"]
            assert found["evaluate.rescale"] == "canvas"
            for key in ("train.squash", "evaluate.squash", "evaluate.centre_crop", "evaluate.pooling_px"):
                assert found[key] is None


def test_a_row_makes_the_mistake_that_it_is_declared_for_and_the_right_one_does_not(suite: Suite) -> None:
    seen = 0
    for pitfall in suite.pitfalls:
        for table, label in (row.split(": ", 1) for row in pitfall.rows):
            rows = _protocols(suite, table, "paper")
            assert pitfall.made_by(rows[label]), (pitfall.cause, label)
            assert not pitfall.made_by(rows[RIGHT]), (pitfall.cause, label)
            seen += 1
    assert seen > 45
