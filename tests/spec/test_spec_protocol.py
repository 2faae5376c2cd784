"""The network's settings: defaults that follow from the backbone, and combinations that would do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from repro.spec.protocol import Evaluate, Model, Train


@pytest.mark.parametrize(
    ("backbone", "units"),
    [("resnet50", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3)), ("vgg16", (2, 2, 3, 3)), ("xception71", (1, 2, 2, 16))],
)
def test_units_follow_from_the_backbone(backbone: str, units: tuple[int, ...]) -> None:
    assert Model(backbone=backbone).units == units
    assert Model(backbone=backbone, units=(1, 1, 2, 3)).units == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"decoder": ("conv2",)}, "decoder needs head"),
        ({"atrous_rates": (6,)}, "atrous_rates needs head"),
        ({"backbone": "vgg16", "head": "aspp", "decoder": ("conv2",)}, "decoder needs a backbone that hands on conv2"),
        ({"image_pooling": True}, "image_pooling needs head"),
        ({"separable": True}, "separable needs head"),
        ({"depthwise_batch_norm": False}, "depthwise_batch_norm needs head"),
        ({"head": "aspp", "depthwise_batch_norm": False}, "depthwise_batch_norm needs separable"),
        ({"backbone": "xception65", "last_block": 5}, 'last_block needs backbone "resnet50" or "resnet101"'),
        ({"backbone": "vgg16", "multi_grid": (1, 2, 1)}, "multi_grid needs"),
        ({"vgg_batch_norm": True}, 'vgg_batch_norm needs backbone "vgg16"'),
        ({"head": "fc", "atrous_rates": (12,)}, "head 'fc' needs backbone vgg16"),
        ({"head": "sum_aspp"}, "one branch for each"),
        ({"head": "aspp", "decoder": ("conv2", "conv2")}, "names one twice"),
    ],
)
def test_a_setting_that_would_do_nothing_is_told(settings: dict[str, Any], told: str) -> None:
    assert told in (Model(**settings).contradiction() or "")


def test_parts_of_a_batch_are_alike() -> None:
    assert Train(batch_size=16, batch_norm_parts=8).batch_norm_parts == 8
    with pytest.raises(ValueError, match="give a divisor"):
        Train(batch_size=16, batch_norm_parts=3)


def test_an_image_is_seen_in_one_way() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Evaluate(squash=(33, 33), centre_crop=(33, 33))
