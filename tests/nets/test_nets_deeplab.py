"""Whole networks: every kind at a narrow width, settings that all act, v2's multi-scale inputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from repro.nets.cost import cost
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.nets.presence import PresenceNet, start_from
from repro.spec.protocol import Model

NARROW: dict[str, Any] = {"width": 4, "stem_width": 4, "head_channels": 8}
SHALLOW: dict[str, Any] = {**NARROW, "units": (1, 1, 1, 2)}
SMALL_DECODER: dict[str, Any] = {"decoder_low_level_channels": 4, "decoder_channels": 8}
V3: dict[str, Any] = {**SHALLOW, "head": "aspp", "atrous_rates": (2, 4, 6), "image_pooling": True}
V3PLUS: dict[str, Any] = {**V3, **SMALL_DECODER, "decoder": ("conv2",)}
VGG: dict[str, Any] = {"backbone": "vgg16", "width": 4, "vgg_batch_norm": True}
KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "cascade": ({**SHALLOW, "units": (1, 1, 2, 3), "last_block": 7, "multi_grid": (1, 2, 1)}, 16),
    "cascade-256": ({**SHALLOW, "units": (1, 1, 2, 3), "last_block": 7}, 256),
    "aspp": (V3, 16),
    "decoder": ({**V3PLUS, "dropout": 0.1}, 16),
    "decoder-two-levels-separable": ({**V3PLUS, "decoder": ("conv2", "conv3"), "separable": True}, 8),
    "xception65": ({**V3PLUS, "backbone": "xception65", "separable": True}, 16),
    "xception71": ({**V3PLUS, "backbone": "xception71", "units": (1, 2, 2, 1)}, 8),
    "vgg16-largefov": ({**VGG, "head": "fc", "fc_channels": 8, "atrous_rates": (12,), "dropout": 0.5}, 8),
    "vgg16-aspp": ({**VGG, "head": "fc", "fc_channels": 8, "atrous_rates": (2, 4, 8, 12)}, 8),
    "vgg16-4x4": ({**VGG, "head": "fc", "fc_channels": 8, "fc_kernel": 4, "atrous_rates": (4,)}, 16),
    "v2-resnet": ({**SHALLOW, "stem": "conv7", "stride_at": "first_conv", "multi_scale": True}, 8),
    "v2-resnet-aspp": ({**SHALLOW, "head": "sum_aspp", "atrous_rates": (6, 12), "multi_scale": True}, 8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns(kind: str) -> None:
    """129 pixels in, finite logits out, and every parameter has a gradient."""
    settings, output_stride = KINDS[kind]
    network = build(Model(**settings), 5, output_stride)
    initialise(network, 0)
    logits = network.training_logits(torch.rand(2, 3, 129, 129) * 2 - 1)
    side = 33 if "decoder" in settings else max(1, 128 // output_stride + (output_stride < 256))
    assert logits[0].shape == (2, 5, side, side)
    sum(functional.cross_entropy(x, torch.zeros(x.shape[0], *x.shape[2:], dtype=torch.long)) for x in logits).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted_and_keeps_its_names(kind: str) -> None:
    settings, output_stride = KINDS[kind]
    model = Model(**settings)
    assert cost(model, 5, output_stride, canvas=(129, 129)).multiply_adds > 0
    with torch.device("meta"):
        states = [build(model, 5, stride).state_dict() for stride in (output_stride, 32)]
    shapes = [{k: v.shape for k, v in state.items()} for state in states]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_starts_from_a_presence_network(kind: str) -> None:
    settings, output_stride = KINDS[kind]
    model = Model(**settings)
    shared = ("backbone", "units", "width", "stem", "stem_width", "stride_at", "batch_norm_eps", "vgg_batch_norm")
    first = PresenceNet(Model(**{k: getattr(model, k) for k in shared}), 5)
    initialise(first, 1)
    assert first(torch.rand(2, 3, 65, 65)).shape == (2, 5)
    network = build(model, 5, output_stride)
    initialise(network, 0)
    start_from(network.backbone, first.state_dict())
    state = network.backbone.state_dict()
    for name, value in first.backbone.state_dict().items():
        assert torch.equal(state[name], value)
    if model.last_block > 4:  # later blocks start as copies (v3, section 3.2)
        for later in ("block5", "block7"):
            assert torch.equal(state[f"blocks.{later}.0.conv2.0.weight"], state["blocks.block4.1.conv2.0.weight"])


def test_a_presence_network_of_another_shape_is_refused() -> None:
    first = PresenceNet(Model(**{**NARROW, "units": (1, 1, 1, 2)}), 5)
    network = build(Model(**{**NARROW, "units": (1, 1, 2, 2)}), 5, 16)
    with pytest.raises(ValueError, match=r"missing.*blocks\.block3\.1"):
        start_from(network.backbone, first.state_dict())


CHANGES: list[tuple[dict[str, Any], str, Any]] = [
    (V3, "backbone", "xception65"),
    (V3, "head", "sum_aspp"),
    (V3, "units", (1, 1, 2, 2)),
    (V3, "width", 6),
    (V3, "stem", "conv7"),
    (V3, "stem_width", 6),
    (V3, "stride_at", "first_unit"),
    (V3, "stride_at", "first_conv"),
    (V3, "last_block", 5),
    (V3, "multi_grid", (1, 2, 1)),
    (V3, "residual_gamma", 0.2),
    (V3, "batch_norm_eps", 1e-3),
    (V3, "atrous_rates", (1, 2)),
    (V3, "image_pooling", False),
    (V3, "head_channels", 6),
    (V3, "separable", True),
    (V3, "dropout", 0.5),
    (V3, "multi_scale", True),
    (V3PLUS, "decoder", ("conv2", "conv3")),
    (V3PLUS, "decoder_low_level_channels", 3),
    (V3PLUS, "decoder_convs", 3),
    (V3PLUS, "decoder_kernel", 1),
    (V3PLUS, "decoder_channels", 6),
    (V3PLUS, "separable", True),
    ({**V3PLUS, "separable": True}, "depthwise_batch_norm", False),
    (KINDS["vgg16-aspp"][0], "fc_kernel", 7),
    (KINDS["vgg16-aspp"][0], "fc_channels", 6),
    (KINDS["vgg16-aspp"][0], "vgg_batch_norm", False),
    (KINDS["vgg16-aspp"][0], "dropout", 0.5),
    (KINDS["vgg16-aspp"][0], "width", 6),
    (KINDS["xception65"][0], "residual_gamma", 0.2),
    (KINDS["xception65"][0], "multi_grid", (1, 2, 1)),
    (V3PLUS, "input", "bgr"),
]


def signature(network: nn.Module) -> tuple[object, ...]:
    """Everything about a network that a setting can change, but for drawn weights."""
    shapes = {k: v.shape for k, v in network.state_dict().items()}
    scales = {n: m.weight.tolist() for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    return repr(network), shapes, scales, network.input_scales, network.wrong_input


@pytest.mark.parametrize(("base", "name", "value"), CHANGES)
def test_every_setting_changes_the_network(base: dict[str, Any], name: str, value: object) -> None:
    other = {**base, name: value}
    assert signature(build(Model(**base), 5, 16)) != signature(build(Model(**other), 5, 16))


def test_no_setting_is_left_out_above() -> None:
    assert {name for _, name, _ in CHANGES} == set(Model.model_fields) - {
        "implementation"
    }  # another network altogether


def test_multi_scale_inputs_are_fused_by_their_maximum() -> None:
    """v2: 321, 241 and 161 pixels; losses on fused, scale 1 and scale 0.75 (41 x 41), scale 0.5 (21 x 21)."""
    settings = {**SHALLOW, "stem": "conv7", "stride_at": "first_conv"}
    network = build(Model(**settings, multi_scale=True), 3, 8).eval()
    single = build(Model(**settings), 3, 8).eval()
    initialise(network, 0)
    single.load_state_dict(network.state_dict())
    x = torch.rand(1, 3, 321, 321) * 2 - 1
    with torch.inference_mode():
        fused, *scores = network.training_logits(x)
        alone = []
        for side in (321, 241, 161):
            alone.append(single(functional.interpolate(x, (side, side), mode="bilinear", align_corners=True)))
        resized = [functional.interpolate(s, (41, 41), mode="bilinear", align_corners=True) for s in alone]
        assert [tuple(s.shape[2:]) for s in scores] == [(41, 41), (41, 41), (21, 21)]
        torch.testing.assert_close(fused, torch.stack(resized).amax(0), rtol=1e-3, atol=1e-4)
        for got, want in zip(scores, (alone[0], resized[1], alone[2]), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)
        assert fused.std() > 0.02
        assert torch.equal(network(x), fused)


def test_weights_trained_at_one_stride_serve_at_another() -> None:
    """v3, section 4.1: the denser map agrees with the coarser one where they coincide (no strided unit in between)."""
    settings = {**SHALLOW, "units": (1, 1, 1, 1)}
    coarse, dense = (build(Model(**settings), 3, stride).eval() for stride in (16, 8))
    initialise(coarse, 0)
    dense.load_state_dict(coarse.state_dict())
    x = torch.rand(1, 3, 257, 257)
    with torch.inference_mode():
        a, b = coarse(x), dense(x)
    assert (a.shape[2:], b.shape[2:]) == ((17, 17), (33, 33))
    torch.testing.assert_close(b[:, :, ::2, ::2], a, rtol=1e-4, atol=1e-6)
