"""MobileNetV2 against torchvision's, and what it costs against the authors' list of released models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torchvision
from nets_random import drawn
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from repro.errors import InputError
from repro.nets.cost import cost
from repro.nets.deeplab import build
from repro.nets.layers import IMAGENET_MEAN, IMAGENET_STD
from repro.nets.mobilenet_v2 import InvertedResidual
from repro.nets.registry import build_backbone
from repro.nets.state_dicts import read
from repro.nets.weights import load_backbone
from repro.spec.protocol import Model

SHARED = Path(os.environ.get("REPRO_SHARED") or Path(__file__).parents[3] / "shared")
REAL = SHARED / "foreign/weights/mobilenet_v2.safetensors"
MODEL = Model(backbone="mobilenet_v2", head="aspp", decoder=("conv2", "conv3"))


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return drawn(torchvision.models.mobilenet_v2).eval()


def _equal(theirs: nn.Module, state: dict[str, Tensor]) -> None:
    ours = build_backbone(MODEL, 32).eval()
    load_backbone(ours, state, "mobilenet_v2.pth")
    rgb = torch.rand(1, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    x = normalize(rgb, IMAGENET_MEAN, IMAGENET_STD)
    with torch.inference_mode():
        found = ours(rgb * 2 - 1)
        for name, last in (("conv2", 4), ("conv3", 7), ("high", 18)):
            expected = theirs.features[:last](x)
            own = found.high if name == "high" else found.low[name]
            torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert [found.low[name].shape[1:] for name in ("conv2", "conv3")] == [(24, 17, 25), (32, 9, 13)]


def test_features_equal_torchvisions(theirs: nn.Module) -> None:
    _equal(theirs, dict(theirs.state_dict()))


@pytest.mark.skipif(not REAL.exists(), reason="no ImageNet weights of MobileNetV2 beside this checkout")
def test_features_equal_torchvisions_with_imagenets_weights() -> None:
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict(read(REAL))
    _equal(network.eval(), read(REAL))


@pytest.mark.parametrize("output_stride", [8, 16])
def test_an_output_stride_is_the_same_network_computed_more_densely(theirs: nn.Module, output_stride: int) -> None:
    dense, coarse = (build_backbone(Model(backbone="mobilenet_v2"), stride).eval() for stride in (output_stride, 32))
    for network in (dense, coarse):
        load_backbone(network, theirs.state_dict(), "mobilenet_v2.pth")
    x = torch.rand(1, 3, 129, 65, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        found, expected, step = dense(x).high, coarse(x).high, 32 // output_stride
    assert found.shape == (1, 320, 128 // output_stride + 1, 64 // output_stride + 1)
    torch.testing.assert_close(
        found[:, :, ::step, ::step], expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
    )


@pytest.mark.parametrize(
    ("output_stride", "grid", "rates"),
    [
        (32, (1, 1, 1), [1] * 17),
        (16, (1, 1, 1), [1] * 14 + [2] * 3),
        (16, (1, 2, 4), [1] * 14 + [2, 4, 8]),
        (8, (1, 1, 1), [1] * 7 + [2] * 7 + [4] * 3),
        (8, (1, 2, 1), [1] * 7 + [2] * 7 + [4, 8, 4]),
    ],
)
def test_multi_grid_multiplies_the_rates_of_the_last_three_units(
    output_stride: int, grid: tuple[int, int, int], rates: list[int]
) -> None:
    with torch.device("meta"):
        network = build_backbone(Model(backbone="mobilenet_v2", multi_grid=grid), output_stride)
    units = [module for module in network.modules() if isinstance(module, InvertedResidual)]
    found = [m.dilation[0] for unit in units for m in unit.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert found == rates


def test_an_output_stride_beyond_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="output_stride 64 is out of reach"):
        build_backbone(Model(backbone="mobilenet_v2"), 64)


def test_weights_of_another_network_or_with_a_tensor_missing_are_refused(theirs: nn.Module) -> None:
    network = build(Model(backbone="mobilenet_v2"), 21, 16)
    with pytest.raises(
        InputError, match="weights of a VGG; this backbone takes the ImageNet weights of torchvision's m"
    ):
        load_backbone(network, {"features.0.weight": torch.zeros(64, 3, 3, 3)}, "a.pth")
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("features.9.conv.1.")}
    with pytest.raises(InputError, match=r"missing features\.9\.conv\.1\.0\.weight, .* and 3 more"):
        load_backbone(network, state, "a.pth")


@pytest.mark.parametrize(
    ("classes", "canvas", "output_stride", "scales", "flip", "billions"),
    [
        (21, (513, 513), 16, (1.0,), False, 2.75),
        (21, (513, 513), 8, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), True, 152.59),
        (19, (1025, 2049), 16, (1.0,), False, 21.27),
        (19, (1025, 2049), 8, (0.75, 1.0, 1.25), True, 433.24),
    ],
)
def test_multiply_adds_are_those_of_the_authors_list(
    classes: int, canvas: tuple[int, int], output_stride: int, scales: tuple[float, ...], flip: bool, billions: float
) -> None:
    """One 1x1 and image pooling on 320 channels (arXiv 1801.04381, section 6.3)."""
    model = Model(backbone="mobilenet_v2", head="aspp", image_pooling=True)
    found = cost(model, classes, output_stride, canvas, scales, flip)
    assert round(found.multiply_adds / 1e9, 2) == billions


def test_parameters_are_torchvisions_without_its_last_layers(theirs: nn.Module) -> None:
    own = sum(p.numel() for p in build_backbone(Model(backbone="mobilenet_v2"), 16).parameters())
    assert own == sum(p.numel() for p in theirs.features[:18].parameters())
