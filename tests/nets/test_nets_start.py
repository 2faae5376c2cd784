"""Starting from another segmentation training."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.nets.start import start_from_segmentation
from repro.spec.protocol import Model

NARROW: dict[str, Any] = {"units": (1, 1, 1, 2), "width": 4, "stem_width": 4, "head_channels": 8}
ASPP = Model(**NARROW, head="aspp", atrous_rates=(2,))


def test_everything_is_taken_over() -> None:
    first, network = build(ASPP, 5, 16), build(ASPP, 5, 8)
    initialise(first, 0)
    initialise(network, 1)
    assert start_from_segmentation(network, first.state_dict()) == ()
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in first.state_dict().items())


def test_a_classifier_of_other_classes_keeps_its_own_start() -> None:
    """PASCAL-Context (60 classes) after MS-COCO with VOC's 21 (v2, Table 6)."""
    first, network = build(ASPP, 5, 16), build(ASPP, 7, 16)
    initialise(first, 0)
    initialise(network, 1)
    before = network.head.classifier.weight.clone()
    assert start_from_segmentation(network, first.state_dict()) == ("head.classifier.weight", "head.classifier.bias")
    assert torch.equal(network.head.classifier.weight, before)
    assert torch.equal(network.head.aspp.project[0].weight, first.head.aspp.project[0].weight)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"head": "aspp", "atrous_rates": (2, 4)}, "missing .*branches.2"),
        ({"head": "cascade"}, "unexpected .*head.aspp"),
        ({"head": "aspp", "atrous_rates": (2,), "width": 6}, "of another shape .*backbone"),
    ],
)
def test_another_network_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        start_from_segmentation(build(Model(**{**NARROW, **settings}), 5, 16), build(ASPP, 5, 16).state_dict())
