"""ASPP, decoder and summed heads against independent implementations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import ASPP as TorchvisionASPP

from repro.nets.aspp import ASPP, ImagePooling
from repro.nets.decoder import Decoder
from repro.nets.deeplab import build, set_resizing
from repro.nets.heads import SummedHead
from repro.nets.layers import ConvBN, Features, SeparableConvBN
from repro.nets.rates import rates_at
from repro.spec.protocol import Model


def unsettle(network: nn.Module) -> None:
    """Statistics and scales that differ from their initial values."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.bias, 0, 0.2)


def upsampled(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


@pytest.mark.parametrize(("output_stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18)), (32, (3, 6, 9))])
def test_aspp_equals_torchvision(output_stride: int, rates: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    theirs = TorchvisionASPP(12, list(rates), 8).eval()
    unsettle(theirs)
    model = Model(head="aspp", atrous_rates=(6, 12, 18), image_pooling=True, head_channels=8)
    ours = ASPP(12, model, output_stride).eval()
    values, own = theirs.state_dict(), ours.state_dict()
    assert len(own) == len(values)
    ours.load_state_dict(dict(zip(own, values.values(), strict=True)))
    x = torch.randn(2, 12, 33, 25)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_rates_keep_their_footprint() -> None:
    assert rates_at((6, 12, 18), 8, 16) == (12, 24, 36)
    assert rates_at((6, 12, 18), 32, 16) == (3, 6, 9)
    assert rates_at((2, 4, 8, 12), 8, 8) == (2, 4, 8, 12)
    assert rates_at((1, 2), 32, 16) == (1, 1)


def test_aspp_without_parts() -> None:
    """v3 Table 5 takes parts away: no image pooling, other rates; none at all leaves the 1x1 branch."""
    for rates, pooling, branches in (((), False, 1), ((), True, 2), ((6, 12, 18, 24), False, 5)):
        model = Model(head="aspp", atrous_rates=rates, image_pooling=pooling, head_channels=8)
        aspp = ASPP(4, model, 16)
        assert len(aspp.branches) == branches
        assert aspp(torch.rand(2, 4, 9, 9)).shape == (2, 8, 9, 9)


def test_separable_branches() -> None:
    """Depthwise with the rate, pointwise without; batch normalisation and ReLU after each."""
    model = Model(head="aspp", atrous_rates=(6,), separable=True, head_channels=8)
    conv = ASPP(4, model, 16).branches[1]
    assert isinstance(conv, SeparableConvBN)
    depthwise, pointwise = conv.depthwise[0], conv.pointwise[0]
    assert (depthwise.groups, depthwise.dilation, depthwise.kernel_size) == (4, (6, 6), (3, 3))
    assert (pointwise.groups, pointwise.kernel_size) == (1, (1, 1))
    modules = [m for part in (conv.depthwise, conv.pointwise) for m in part]
    for module, kind in zip(modules, [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2, strict=True):
        assert isinstance(module, kind)


# v3+ Table 2
STRUCTURES: list[dict[str, Any]] = [
    {"decoder": ("conv2",), "decoder_convs": 1},
    {"decoder": ("conv2",), "decoder_convs": 2},
    {"decoder": ("conv2",), "decoder_convs": 3},
    {"decoder": ("conv2",), "decoder_convs": 1, "decoder_channels": 5},
    {"decoder": ("conv2",), "decoder_convs": 1, "decoder_kernel": 1},
    {"decoder": ("conv2", "conv3"), "decoder_convs": 1},
    {"decoder": ("conv3", "conv2"), "decoder_convs": 1},
]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_decoder_equals_its_description(structure: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Model(**{"head": "aspp", "decoder_low_level_channels": 3, "decoder_channels": 7, **structure})
    decoder = Decoder(6, {"conv2": 10, "conv3": 20}, model).eval()
    unsettle(decoder)
    low = {"conv2": torch.randn(2, 10, 33, 25), "conv3": torch.randn(2, 20, 17, 13)}
    x = encoder = torch.randn(2, 6, 9, 7)

    def conv_bn_relu(x: Tensor, layer: ConvBN) -> Tensor:
        weight, norm = layer[0].weight, layer[1]
        x = functional.conv2d(x, weight, padding="same")
        scale = norm.weight / (norm.running_var + 1e-5).sqrt()
        return functional.relu((x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None])

    with torch.inference_mode():
        for level in ("conv3", "conv2"):
            if level in structure["decoder"]:
                step = decoder.steps[level]
                narrow = conv_bn_relu(low[level], step.project)
                x = torch.cat([upsampled(x, narrow), narrow], dim=1)
                assert len(step.refine) == structure["decoder_convs"]
                for layer in step.refine:
                    assert layer[0].kernel_size[0] == structure.get("decoder_kernel", 3)
                    x = conv_bn_relu(x, layer)
        torch.testing.assert_close(decoder(encoder, low), x, rtol=1e-4, atol=1e-5)
    assert x.shape == (2, structure.get("decoder_channels", 7), 33, 25)
    assert decoder.channels == x.shape[1]


def test_logits_have_stride_4_with_a_decoder() -> None:
    for backbone in ("resnet50", "xception65"):
        for decoder, side in (((), 9), (("conv2",), 33), (("conv3",), 17)):
            model = Model(backbone=backbone, head="aspp", decoder=decoder, width=4, stem_width=4, head_channels=8)
            with torch.device("meta"):
                network = build(model, 5, 16).eval()
            assert network(torch.empty(1, 3, 129, 129, device="meta")).shape == (1, 5, side, side)


def test_sum_of_rates() -> None:
    """v2 on ResNet: scores of 3x3 classifiers at several rates are added."""
    torch.manual_seed(0)
    head = SummedHead(6, 5, 3, rates=(1, 2, 4))
    x = torch.randn(2, 6, 9, 9)
    want = sum(
        functional.conv2d(x, c.weight, c.bias, padding=r, dilation=r)
        for c, r in zip(head.classifier, (1, 2, 4), strict=True)
    )
    torch.testing.assert_close(head(Features({}, x)), want)


def test_sum_of_branches() -> None:
    """v2 on VGG-16: each branch has its own fc8."""
    torch.manual_seed(0)
    head = SummedHead(12, 5, 2, rates=None)
    a, b = torch.randn(2, 6, 9, 9), torch.randn(2, 6, 9, 9)
    want = functional.conv2d(a, head.classifier[0].weight, head.classifier[0].bias)
    want = want + functional.conv2d(b, head.classifier[1].weight, head.classifier[1].bias)
    torch.testing.assert_close(head(Features({}, torch.cat([a, b], dim=1))), want)


def test_v2_rates_are_those_of_stride_8() -> None:
    network = build(Model(head="sum_aspp", atrous_rates=(6, 12, 18, 24), width=4, stem_width=4), 5, 8)
    assert [c.dilation[0] for c in network.head.classifier] == [6, 12, 18, 24]
    assert {c.kernel_size for c in network.head.classifier} == {(3, 3)}


def test_without_aligned_corners_the_decoder_resizes_as_pytorch_does_unless_told() -> None:
    torch.manual_seed(0)
    model = Model(head="aspp", atrous_rates=(6,), decoder=("conv2",), decoder_low_level_channels=4, decoder_channels=8)
    decoder = Decoder(8, {"conv2": 6}, model).eval()
    unsettle(decoder)
    x, low = torch.randn(1, 8, 5, 5), {"conv2": torch.randn(1, 6, 17, 17)}
    step = decoder.steps["conv2"]
    assert isinstance(step, nn.Module)
    with torch.inference_mode():
        aligned = decoder(x, low)
        set_resizing(decoder, align_corners=False)
        found = decoder(x, low)
        resized = functional.interpolate(x, (17, 17), mode="bilinear", align_corners=False)
        expected = step.refine(torch.cat([resized, step.project(low["conv2"])], dim=1))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, aligned, atol=1e-3)


def test_image_pooling_over_windows_is_the_released_codes_pooling() -> None:
    torch.manual_seed(0)
    pooling = ImagePooling(6, 4).eval()
    unsettle(pooling)
    x = torch.randn(2, 6, 33, 33)
    with torch.inference_mode():
        set_resizing(pooling, align_corners=True, pooling_share=(320 / 512, 320 / 512))
        means = functional.avg_pool2d(x, 21, stride=1)  # 321 pixels at output stride 16, on a map of 33
        expected = functional.interpolate(pooling.project(means), (33, 33), mode="bilinear", align_corners=True)
        torch.testing.assert_close(pooling(x), expected)
        set_resizing(pooling, align_corners=True, pooling_share=(1.0, 1.0))
        whole = pooling(x)
        set_resizing(pooling, align_corners=True)
        torch.testing.assert_close(whole, pooling(x))
