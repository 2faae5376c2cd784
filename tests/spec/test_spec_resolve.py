"""Resolution: order of precedence, and every departure accounted for."""

from __future__ import annotations

import pytest
from spec_files import PAPER, TABLE, Write

from repro.errors import InputError
from repro.spec.keys import flat_of
from repro.spec.load import Suite
from repro.spec.resolve import Resolved, resolve

SCALES = """
[base]
description = "base"
[[base.deviations]]
key = "model.last_block"
value = 7
reason = "would hide what the table varies"
[[base.deviations]]
key = "train.iterations"
factor = 0.01
reason = "short"
[[base.deviations]]
key = "train.crop"
map = { 513 = 65, 321 = 41 }
reason = "small"
direction = "lower"
[[base.deviations]]
key = "train.lr"
when = { train.crop = 65, model.backbone = { not = "vgg16" } }
value = 0.1
reason = "after the crop"
[[base.deviations]]
key = "train.momentum"
when = { train.crop = 513 }
value = 0.1
reason = "never"
[child]
description = "child"
extends = "base"
seeds = 3
[[child.deviations]]
key = "train.iterations"
factor = 0.001
reason = "shorter"
"""


def first(suite: Suite, name: str, scale: str, **options: object) -> Resolved:
    spec = suite.find(name)
    return resolve(suite, spec, spec.cells()[0].settings, scale, **options)  # type: ignore[arg-type]


def departures(resolved: Resolved) -> dict[str, tuple[object, object]]:
    return {d.key: (d.published, d.value) for d in resolved.deviations}


def test_scale_paper_is_the_published_protocol(suite: Suite) -> None:
    for spec in suite.select(["v3/table1", "v3/table2", "v3/table3", "v3/table4"]):
        for cell in spec.cells():
            resolved = resolve(suite, spec, cell.settings, "paper")
            assert resolved.deviations == ()
            train = resolved.protocol.train
            assert (train.crop, train.batch_size, train.iterations, train.lr) == (513, 16, 30_000, 0.007)
            assert (train.batch_norm_decay, train.policy, train.power) == (0.9997, "poly", 0.9)
            flat = flat_of(resolved.protocol)
            assert all(flat[key] == value for key, value in cell.settings.items())


def test_later_sources_win_and_the_cells_own_settings_stay(write: Write) -> None:
    got = first(write(scales=SCALES), "grid", "base")
    assert departures(got) == {
        "train.crop": (513, 65),
        "train.iterations": (1000, 10),
        "train.lr": (0.007, 0.1),
    }
    assert got.protocol.model.last_block == 4
    assert {d.key: d.direction for d in got.deviations}["train.crop"] == "lower"


def test_a_child_scale_replaces_what_it_inherits(write: Write) -> None:
    suite = write(scales=SCALES)
    assert departures(first(suite, "grid", "child"))["train.iterations"] == (1000, 1)
    assert suite.scale("child").seeds == 3


def test_a_tables_own_rule_replaces_the_scales(write: Write) -> None:
    own = '[[deviations]]\nscale = "base"\nkey = "train.crop"\nvalue = 33\nreason = "own"\n[published]'
    suite = write(TABLE.replace("[published]", own), scales=SCALES)
    got = first(suite, "grid", "child")
    assert departures(got)["train.crop"] == (513, 33)
    assert "train.lr" not in departures(got)
    assert first(suite, "grid", "paper").deviations == ()


def test_a_papers_rule_stands_between_the_scales_and_the_tables(write: Write) -> None:
    rule = '[[deviations]]\nscale = "base"\nkey = "{}"\nvalue = {}\nreason = "own"\n'
    paper = PAPER + rule.format("train.crop", 49) + rule.format("train.iterations", 5)
    table = TABLE.replace("[published]", rule.format("train.crop", 33) + "[published]")
    suite = write(table, scales=SCALES, paper=paper)
    at_base = departures(first(suite, "grid", "base"))
    assert (at_base["train.crop"], at_base["train.iterations"]) == ((513, 33), (1000, 5))
    # what the child scale says itself is more particular than what paper and table said of its parent
    at_child = departures(first(suite, "grid", "child"))
    assert (at_child["train.crop"], at_child["train.iterations"]) == ((513, 33), (1000, 1))


def test_a_rule_for_a_part_of_the_crf_needs_the_crf(suite: Suite) -> None:
    spec = suite.find("v2/table4")
    *_, without, with_crf = spec.cells()
    assert resolve(suite, spec, without.settings, "tiny").protocol.evaluate.crf is None
    resolved = resolve(suite, spec, with_crf.settings, "tiny")
    crf = resolved.protocol.evaluate.crf
    assert crf is not None
    assert (crf.w1, crf.sigma_alpha, crf.sigma_beta, crf.w2, crf.sigma_gamma) == ((4, 8), (4, 8, 16), (10, 20), 1, 1)
    assert crf.iterations == 10
    assert "evaluate.crf" in departures(resolved)


def test_images_of_full_and_half_size_stay_apart(suite: Suite) -> None:
    spec = suite.find("v2/table9")
    found = {c.row_label: resolve(suite, spec, c.settings, "tiny").protocol for c in spec.cells()}
    half, full = found["VGG-16, LargeFOV"], found["VGG-16, Full, LargeFOV"]
    assert half.data.side == full.data.side == 129
    assert (half.train.scales, half.evaluate.scales) == ((0.5,), (0.5,))
    assert (full.train.scales, full.evaluate.scales) == ((1.0,), (1.0,))


def test_overrides_win_over_rules_which_see_them(write: Write) -> None:
    suite = write(scales=SCALES)
    got = first(suite, "grid", "base", overrides=["train.crop=321", "train.iterations = 7", "model.backbone=resnet50"])
    assert got.protocol.train.crop == 321
    assert got.protocol.train.iterations == 7
    assert got.protocol.train.lr == 0.007
    assert got.protocol.model.units == (3, 4, 6, 3)
    told = {d.key: d.reason for d in got.deviations}
    assert told["train.crop"] == "set on the command line"
    assert told["model.units"] == "follows from another setting"


def test_a_part_of_the_crf_switches_it_on(suite: Suite) -> None:
    got = first(suite, "table3", "paper", overrides=["evaluate.crf.w1=5.0"])
    assert got.protocol.evaluate.crf is not None
    assert got.protocol.evaluate.crf.w1 == 5.0
    assert [d.key for d in got.deviations] == ["evaluate.crf"]
    assert got.deviations[0].reason == "set on the command line"


def test_a_data_set_brings_its_classes_splits_and_canvas(suite: Suite) -> None:
    got = first(suite, "table3", "paper", dataset="camvid").protocol
    assert (got.data.name, got.data.classes, got.data.train_split) == ("camvid", 11, "train")
    assert got.evaluate.canvas == (385, 513)
    same = first(suite, "table3", "paper", overrides=["data.name=camvid"]).protocol
    assert same == got


def test_tiny_keeps_the_data_set_asked_for(suite: Suite) -> None:
    got = first(suite, "table3", "tiny", dataset="camvid").protocol
    assert (got.data.name, got.data.side, got.evaluate.canvas) == ("camvid", 240, (193, 257))
    scenes = first(suite, "table3", "tiny").protocol
    assert (scenes.data.name, scenes.data.classes, scenes.data.side) == ("scenes", 9, 129)
    assert scenes.model.units == (1, 1, 2, 3)
    assert first(suite, "table1", "tiny").protocol.model.units == (1, 1, 1, 3)


def test_several_scales_become_fewer_and_one_stays_one(suite: Suite) -> None:
    spec = suite.find("table4")
    got = [resolve(suite, spec, c.settings, "tiny").protocol.evaluate.scales for c in spec.cells()]
    assert got == [(1.0,), (1.0,), (0.75, 1.0, 1.25), (0.75, 1.0, 1.25)]


def test_every_departure_has_a_reason_of_its_own(suite: Suite) -> None:
    for name in ("small", "tiny", "smoke"):
        for spec in suite.select(suite.tables):
            for cell in spec.cells():
                if cell.kind == "measured":
                    for d in resolve(suite, spec, cell.settings, name).deviations:
                        assert d.reason, d
                        assert d.reason != "follows from another setting", d


def test_what_a_table_varies_still_varies_at_every_scale(suite: Suite) -> None:
    """Two cells that differ in the paper may not fall together at a smaller scale."""
    for name in ("small", "tiny", "smoke"):
        for spec in suite.select(suite.tables):
            measured = [c for c in spec.cells() if c.kind == "measured"]
            seen = [resolve(suite, spec, c.settings, name).protocol for c in measured]
            assert len(set(map(str, seen))) == len(seen), (spec.id, name)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.crop", "--set train.crop: no value. Write KEY=VALUE"),
        ("train.corp=3", "--set train.corp: there is no such setting. Did you mean train.crop"),
        (
            "iterations=3",
            "--set iterations: there is no such setting. "
            "Did you mean train.iterations or pretrain.iterations or coco.iterations?",
        ),
        ("train=3", "--set train: is a section; name a value in it, for example train.start."),
        (
            "train.output_stride=12",
            "--set train.output_stride: 12 is not one of 4, 8, 16, 32, 64, 128, 256. Did you mean 16?",
        ),
        ("evaluate.crf.w9=1", "--set evaluate.crf.w9: there is no such setting. Did you mean evaluate.crf.w"),
        ("data.name=camvit", "Did you mean 'camvid'?"),
        ("data.name=imagenet", 'data set "imagenet" has no label maps'),
    ],
)
def test_wrong_overrides_are_told(suite: Suite, override: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        first(suite, "table3", "tiny", overrides=[override])
    assert told in str(caught.value)


def test_a_rule_that_makes_a_wrong_value_names_itself(write: Write) -> None:
    scales = SCALES.replace('value = 0.1\nreason = "after', 'value = -1.0\nreason = "after')
    with pytest.raises(InputError, match=r"base.deviations\[3\] \(train.lr\): -1.0 is too small; it must be above 0"):
        first(write(scales=scales), "grid", "base")


def test_a_factor_of_a_word_is_told(write: Write) -> None:
    scales = SCALES.replace('key = "train.iterations"\nfactor = 0.01', 'key = "train.optimizer"\nfactor = 0.01')
    with pytest.raises(
        InputError, match=r'base.deviations\[1\].factor: "sgd" cannot be multiplied. Use `value` or `map`'
    ):
        first(write(scales=scales), "grid", "base")
