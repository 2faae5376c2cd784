"""Costs against every published figure, against their parts, and against an independent counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from repro.nets.cost import _one_pass, cost
from repro.nets.deeplab import build
from repro.nets.layers import SameConv2d
from repro.spec.protocol import Model

MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
RATES: dict[str, Any] = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
RESNET: dict[str, Any] = {**RATES, "backbone": "resnet101", "multi_grid": (1, 2, 4)}
XCEPTION: dict[str, Any] = {**RATES, "backbone": "xception65"}
DECODER: dict[str, Any] = {"decoder": ("conv2",)}
SEPARABLE: dict[str, Any] = {**DECODER, "separable": True}

# v3+ Tables 3 and 5: backbone, evaluation output stride, extras, passes (1, 6 scales, 6 scales and flip), billions
PUBLISHED = [
    (RESNET, 32, {}, 1, "52.43"),
    (RESNET, 32, DECODER, 1, "74.20"),
    (RESNET, 16, {}, 1, "81.02"),
    (RESNET, 8, {}, 1, "276.18"),
    (RESNET, 8, {}, 6, "2435.37"),
    (RESNET, 8, {}, 12, "4870.59"),
    (RESNET, 16, DECODER, 6, "898.69"),
    (RESNET, 16, DECODER, 12, "1797.23"),
    (RESNET, 8, DECODER, 1, "297.92"),
    (RESNET, 8, DECODER, 6, "2623.61"),
    (RESNET, 8, DECODER, 12, "5247.07"),
    (XCEPTION, 16, {}, 1, "68.00"),
    (XCEPTION, 16, {}, 6, "601.74"),
    (XCEPTION, 16, {}, 12, "1203.34"),
    (XCEPTION, 8, {}, 1, "240.85"),
    (XCEPTION, 8, {}, 6, "2149.91"),
    (XCEPTION, 8, {}, 12, "4299.68"),
    (XCEPTION, 16, DECODER, 1, "89.76"),
    (XCEPTION, 16, DECODER, 6, "790.12"),
    (XCEPTION, 16, DECODER, 12, "1580.10"),
    (XCEPTION, 8, DECODER, 1, "262.59"),
    (XCEPTION, 8, DECODER, 6, "2338.15"),
    (XCEPTION, 8, DECODER, 12, "4676.16"),
    (XCEPTION, 16, SEPARABLE, 1, "54.17"),
    (XCEPTION, 16, SEPARABLE, 12, "928.81"),
    (XCEPTION, 8, SEPARABLE, 1, "177.10"),
    (XCEPTION, 8, SEPARABLE, 12, "3055.35"),
]


@pytest.mark.parametrize(("backbone", "output_stride", "extras", "passes", "billions"), PUBLISHED)
def test_equals_the_published_figure(
    backbone: dict[str, Any], output_stride: int, extras: dict[str, Any], passes: int, billions: str
) -> None:
    scales = MULTI_SCALE if passes > 1 else (1.0,)
    found = cost(Model(**backbone, **extras), 21, output_stride, scales=scales, flip=passes == 12)
    assert f"{found.multiply_adds / 1e9:.2f}" == billions


@pytest.mark.parametrize(
    ("output_stride", "scales", "flip", "billions"),
    [(16, (1.0,), False, "418.64"), (8, (0.75, 1.0, 1.25), True, "8677.92")],
)
def test_equals_the_model_zoos_figure_for_cityscapes(
    output_stride: int, scales: tuple[float, ...], flip: bool, billions: str
) -> None:
    """Xception-65, separable, with decoder, on the 1025 x 2049 canvas with 19 classes."""
    found = cost(Model(**XCEPTION, **SEPARABLE), 19, output_stride, (1025, 2049), scales, flip)
    assert f"{found.multiply_adds / 1e9:.2f}" == billions
    # a rest that grows with the area misses both
    by_area = found.multiply_adds - found.rest + 0.0035e9 * 1025 * 2049 / 513**2
    assert f"{by_area / 1e9:.2f}" != billions


def test_the_figure_that_contradicts_its_neighbours() -> None:
    """Printed 101.28; the decoder costs 21.75 or 21.74 in every other pair of rows, here as well."""
    with_decoder = cost(Model(**RESNET, **DECODER), 21, 16).multiply_adds / 1e9
    assert f"{with_decoder:.2f}" == "102.78"
    assert with_decoder - cost(Model(**RESNET), 21, 16).multiply_adds / 1e9 == pytest.approx(21.76, abs=0.01)


@pytest.mark.parametrize(
    ("model", "output_stride", "passes", "parts"),
    [
        (Model(**RESNET), 16, 1, (76.0525, 4.7823, 0.0368, 0.1451)),
        (Model(**RESNET), 8, 1, (252.2521, 23.6879, 0.0871, 0.1451)),
        (Model(**RESNET, **DECODER), 16, 12, (1683.0008, 113.4444, 0.6370, 0.1484)),
        (Model(**XCEPTION, **DECODER), 16, 1, (86.6792, 2.9327, 0.0110, 0.1357)),
        (Model(**XCEPTION, **SEPARABLE), 8, 1, (176.8515, 0.1119, 0.0352, 0.1014)),
    ],
)
def test_parts(model: Model, output_stride: int, passes: int, parts: tuple[float, ...]) -> None:
    """The recipe's terms, worked out by hand for these rows."""
    scales = MULTI_SCALE if passes > 1 else (1.0,)
    found = cost(model, 21, output_stride, scales=scales, flip=passes == 12)
    own = (found.convolutions, found.space_to_batch, found.element_wise, found.weights_once)
    assert tuple(round(part / 1e9, 4) for part in own) == parts
    assert found.rest == pytest.approx(0.0035e9)


@pytest.mark.parametrize(
    ("kind", "backbone_alone"),
    [
        (RESNET, {32: 47.0673, 16: 59.7027, 8: 188.8212}),
        (XCEPTION, {32: 41.4360, 16: 48.5704, 8: 163.6090}),
    ],
)
def test_backbone_and_head(kind: dict[str, Any], backbone_alone: dict[int, float]) -> None:
    """Plain counts by part; ASPP and logits cost the same on both backbones."""
    aspp, separable = {32: 4.3393, 16: 16.3498, 8: 63.4310}, {32: 0.7188, 16: 2.7072, 8: 10.5018}
    for output_stride, backbone in backbone_alone.items():
        whole = cost(Model(**kind), 21, output_stride).plain_multiply_adds / 1e9
        assert whole == pytest.approx(backbone + aspp[output_stride], abs=1.1e-4)
        whole = cost(Model(**kind, separable=True), 21, output_stride).plain_multiply_adds / 1e9
        assert whole == pytest.approx(backbone + separable[output_stride], abs=1.1e-4)


@pytest.mark.parametrize(
    ("stem", "stride_at", "plain"),
    [
        ("conv7", "last_unit", (44.27, 68.91, 245.11)),
        ("beta", "first_unit", (54.65, 78.20, 253.32)),
        ("conv7", "first_unit", (47.52, 71.06, 246.18)),
    ],
)
def test_other_layouts_are_told_apart(stem: str, stride_at: str, plain: tuple[float, ...]) -> None:
    model = Model(**RESNET, stem=stem, stride_at=stride_at)
    found = tuple(round(cost(model, 21, stride).plain_multiply_adds / 1e9, 2) for stride in (32, 16, 8))
    assert found == plain


@pytest.mark.parametrize(
    ("model", "weights", "parameters"),
    [
        (Model(**RESNET), 58_055_616, 58_164_437),
        (Model(**RESNET, **DECODER), 59_358_144, 59_468_085),
        (Model(**XCEPTION), 53_219_520, 53_407_813),
        (Model(**XCEPTION, **DECODER), 54_522_048, None),
        (Model(**XCEPTION, **SEPARABLE), 40_852_592, 41_055_413),
    ],
)
def test_weights(model: Model, weights: int, parameters: int | None) -> None:
    found = cost(model, 21, 16)
    assert found.weights == weights
    assert parameters in (None, found.parameters)


@pytest.mark.parametrize(
    ("kernel", "filters", "rate", "published", "weights", "with_biases", "field_of_view"),
    [
        (7, 4096, 4, "134.3", 134.334, 134.347, 224),
        (4, 4096, 4, "65.1", 65.128, 65.141, 128),
        (4, 4096, 8, "65.1", 65.128, 65.141, 224),
        (3, 1024, 12, "20.5", 20.499, 20.505, 224),
    ],
)
def test_v2_table_1(
    kernel: int, filters: int, rate: int, published: str, weights: float, with_biases: float, field_of_view: int
) -> None:
    model = Model(backbone="vgg16", head="fc", fc_kernel=kernel, fc_channels=filters, atrous_rates=(rate,))
    found = cost(model, 21, 8, canvas=(321, 321))
    assert f"{found.parameters / 1e6:.1f}" == published
    assert round(found.weights / 1e6, 3) == weights
    assert round(found.parameters / 1e6, 3) == with_biases
    assert found.field_of_view == field_of_view


def test_v2_aspp_parameters() -> None:
    model = Model(backbone="vgg16", head="fc", atrous_rates=(6, 12, 18, 24))
    found = cost(model, 21, 8, canvas=(321, 321))
    assert round(found.weights / 1e6, 2) == 37.88 or round(found.parameters / 1e6, 2) == 37.88
    assert found.field_of_view == 8 * 24 * 2 + 32


def test_field_of_view_is_that_of_the_head() -> None:
    assert cost(Model(backbone="resnet50"), 21, 16).field_of_view is None
    assert cost(Model(head="sum_aspp", atrous_rates=(12,)), 21, 8).field_of_view == 224
    # doubled rates at half the stride read the same footprint
    assert {cost(Model(**RESNET), 21, s).field_of_view for s in (8, 16, 32)} == {16 * 18 * 2 + 32}


@pytest.mark.parametrize(
    ("model", "output_stride"),
    [
        (Model(**RESNET, decoder=("conv2", "conv3")), 16),
        (Model(**XCEPTION, **SEPARABLE), 8),
        (Model(backbone="vgg16", head="fc", atrous_rates=(6, 12)), 8),
        (Model(head="sum_aspp", atrous_rates=(6, 12), multi_scale=True, stride_at="first_conv"), 8),
        (Model(backbone="resnet50", last_block=7, width=8), 64),
    ],
)
def test_plain_count_equals_torchs_own_counter(
    model: Model, output_stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SameConv2d, "forward", nn.Conv2d.forward)  # which leaves out no tap
    canvas = (257, 129)
    with torch.device("meta"):
        network = build(model, 19, output_stride).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, *canvas, device="meta"))
    convolutions = sum(v for op, v in counter.get_flop_counts()["Global"].items() if "convolution" in str(op))
    assert _one_pass(model, 19, output_stride, canvas).convolutions * 2 == convolutions


def test_canvas_scales_and_flip() -> None:
    model = Model(backbone="resnet50", width=8)
    one = cost(model, 19, 16, canvas=(769, 1537))
    twice = cost(model, 19, 16, canvas=(769, 1537), flip=True)
    assert twice.plain_multiply_adds == 2 * one.plain_multiply_adds
    assert (twice.weights_once, twice.rest) == (one.weights_once, one.rest)
    half = cost(model, 19, 16, canvas=(1537, 3073), scales=(0.5,))
    assert half.plain_multiply_adds == one.plain_multiply_adds
