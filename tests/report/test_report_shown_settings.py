"""Settings that reports list: those that the cells' networks read."""

from dataclasses import replace

import pytest

from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.plan import Request, build
from repro.report.shown_settings import common, deviations, protocols_read
from repro.spec.load import load_suite

SUITE = load_suite()
INPUTS = Inputs(lambda *_: "", lambda *_: Code(()), lambda name: SUITE.dataset(name).names, lambda *_: "")


def cells(table="v3/table6", *overrides, scale="paper"):
    return build(SUITE, Request(tuple(SUITE.select([table])), scale, 1, None, (), overrides), INPUTS).cells


@pytest.mark.parametrize(
    ("backbone", "read", "unread"),
    [
        ("resnet101", {"units", "stride_at", "multi_grid", "atrous_rates"}, {"vgg_batch_norm", "fc_channels"}),
        ("mobilenet_v2", {"width", "multi_grid", "atrous_rates"}, {"units", "stem_width", "last_block", "fc_channels"}),
    ],
)
def test_a_setting_that_the_networks_do_not_read_is_not_listed(backbone, read, unread):
    listed = common(protocols_read(cells("v3/table6", f"model.backbone={backbone}")).values())
    assert {f"model.{key}" for key in read} <= set(listed)
    assert not {f"model.{key}" for key in unread} & set(listed)
    assert {"train.crop", "evaluate.canvas"} <= set(listed)


def test_a_network_of_ones_own_lists_its_own_parameters(tmp_path, monkeypatch):
    (tmp_path / "listed_nets.py").write_text("def build(classes, output_stride, multi_grid=(1, 1, 1)):\n    ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    planned = cells("v3/table6", "model.implementation=listed_nets:build")
    listed = {key for key in common(protocols_read(planned).values()) if key.startswith("model.")}
    assert listed == {"model.implementation", "model.multi_grid"}


def test_only_what_all_agree_on_is_common():
    assert common([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "c": 4}]) == {"a": 1, "c": 4}


def test_a_deviation_counts_where_its_network_reads_the_setting():
    planned = cells(scale="tiny")
    protocols = protocols_read(planned)
    keys = {deviation.key for deviation in deviations(planned, protocols)}
    assert "model.units" in keys
    without = {cell: {k: v for k, v in read.items() if k != "model.units"} for cell, read in protocols.items()}
    assert {deviation.key for deviation in deviations(planned, without)} == keys - {"model.units"}
    assert deviations(tuple(replace(cell, resolved=None) for cell in planned), protocols) == ()
