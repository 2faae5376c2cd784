"""VGG-16 and its fully connected layers against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.vgg import VGG, make_layers

from repro.nets.deeplab import build
from repro.nets.layers import IMAGENET_MEAN, IMAGENET_STD
from repro.nets.vgg import VGG16
from repro.nets.weights import load_backbone
from repro.spec.protocol import Model

CHANNELS = [4, 4, "M", 8, 8, "M", 16, 16, 16, "M", 32, 32, 32, "M", 32, 32, 32, "M"]
FILTERS = 64


def theirs(batch_norm: bool = False, dilated: bool = False) -> VGG:
    """torchvision's VGG-16, a sixteenth as wide, with v2's 3x3 pools; `dilated`: strides 4 and 5 given up."""
    torch.manual_seed(0)
    with torch.device("meta"):  # its own fully connected layers are 100 million numbers
        network = VGG(nn.Sequential(), num_classes=5)
    network.features = make_layers(CHANNELS, batch_norm=batch_norm)
    network.classifier[0] = nn.Linear(32 * 49, FILTERS)
    network.classifier[3] = nn.Linear(FILTERS, FILTERS)
    network.classifier[6] = nn.Linear(FILTERS, 5)
    pools = [i for i, m in enumerate(network.features) if isinstance(m, nn.MaxPool2d)]
    for number, at in enumerate(pools, start=1):
        network.features[at] = nn.MaxPool2d(3, stride=1 if dilated and number > 3 else 2, padding=1)
    for at, module in enumerate(network.features):
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.bias, 0, 0.1)
            if dilated and at > pools[3]:
                module.dilation = module.padding = (2, 2)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def normalised(x: Tensor) -> Tensor:
    """An image in [-1, 1] as torchvision's weights expect it."""
    return ((x + 1) / 2 - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_STD)[:, None, None]


@pytest.mark.parametrize(("output_stride", "dilated"), [(32, False), (8, True)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_features_equal_torchvision(output_stride: int, dilated: bool, batch_norm: bool) -> None:
    reference = theirs(batch_norm, dilated)
    ours = VGG16(Model(backbone="vgg16", width=4, vgg_batch_norm=batch_norm), output_stride).eval()
    load_backbone(ours, reference.state_dict(), "torchvision")
    x = torch.rand(1, 3, 129, 97) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(ours(x).high, reference.features(normalised(x)), rtol=1e-4, atol=1e-5)


def test_fully_connected_layers_become_convolutions() -> None:
    """On a 7 x 7 map the 7x7 convolution's centre sees what the linear layer saw."""
    reference = theirs()
    model = Model(backbone="vgg16", head="fc", width=4, fc_kernel=7, fc_channels=FILTERS, atrous_rates=(4,))
    ours = build(model, 5, output_stride=32).eval()
    load_backbone(ours, reference.state_dict(), "torchvision")
    x = torch.rand(1, 3, 224, 224) * 2 - 1
    with torch.inference_mode():
        maps = reference.features(normalised(x))
        assert maps.shape[2:] == (7, 7)
        want = reference.classifier[:5](maps.flatten(1))
        got = ours.backbone(x).high
    assert got.shape == (1, FILTERS, 7, 7)
    torch.testing.assert_close(got[:, :, 3, 3], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel", "taps"), [(3, [0, 3, 6]), (4, [0, 2, 4, 6])])
def test_decimation(kernel: int, taps: list[int]) -> None:
    """v1, section 3.1: taps are subsampled; v2: random filters, the same in fc6's output and fc7's input."""
    state = theirs().state_dict()
    model = Model(backbone="vgg16", head="fc", width=4, fc_kernel=kernel, fc_channels=16, atrous_rates=(6, 12))
    ours = build(model, 5, 8).backbone
    load_backbone(ours, state, "torchvision", seed=3)
    full6, full7 = state["classifier.0.weight"].reshape(FILTERS, 32, 7, 7), state["classifier.3.weight"]
    for branch in ours.branches:
        fc6, fc7 = branch.fc6[0], branch.fc7[0]
        kept6 = [(state["classifier.0.bias"] == b).nonzero().item() for b in fc6.bias]
        kept7 = [(state["classifier.3.bias"] == b).nonzero().item() for b in fc7.bias]
        assert len(set(kept6)) == 16
        assert torch.equal(fc6.weight, full6[kept6][:, :, taps][:, :, :, taps])
        assert torch.equal(fc7.weight[:, :, 0, 0], full7[kept7][:, kept6])
    again, other = build(model, 5, 8).backbone, build(model, 5, 8).backbone
    load_backbone(again, state, "torchvision", seed=3)
    load_backbone(other, state, "torchvision", seed=4)
    assert torch.equal(again.branches[0].fc6[0].bias, ours.branches[0].fc6[0].bias)
    assert not torch.equal(other.branches[0].fc6[0].bias, ours.branches[0].fc6[0].bias)


@pytest.mark.parametrize(("output_stride", "rate", "side"), [(8, 12, 41), (16, 6, 21), (32, 3, 11)])
def test_strides_and_rates(output_stride: int, rate: int, side: int) -> None:
    """Released prototxt at stride 8: pools 4 and 5 without stride, conv5 at rate 2, fc6 at 12; 321 becomes 41."""
    model = Model(backbone="vgg16", head="fc", width=4, fc_channels=8, atrous_rates=(12,))
    network = VGG16(model, output_stride)
    assert network(torch.zeros(1, 3, 321, 321)).high.shape == (1, 8, side, side)
    assert network.branches[0].fc6[0].dilation == (rate, rate)
    dilation = {b: {c[0].dilation[0] for c in convs} for b, convs in network.blocks.items()}
    assert dilation["block5"] == {2 if output_stride == 8 else 1}
    assert dilation["block4"] == {1}


@pytest.mark.parametrize(("kernel", "rate"), [(4, 4), (4, 8), (4, 3), (7, 4)])
def test_even_kernels_keep_the_size(kernel: int, rate: int) -> None:
    model = Model(backbone="vgg16", head="fc", width=4, fc_channels=8, fc_kernel=kernel, atrous_rates=(rate,))
    assert VGG16(model, 8)(torch.zeros(1, 3, 129, 97)).high.shape == (1, 8, 17, 13)


def test_dropout_follows_both_layers() -> None:
    model = Model(backbone="vgg16", head="fc", width=4, fc_channels=8, atrous_rates=(12,), dropout=0.5)
    branch = VGG16(model, 8).branches[0]
    assert [(n, m.p) for n, m in branch.named_children() if isinstance(m, nn.Dropout)] == [
        ("drop6", 0.5),
        ("drop7", 0.5),
    ]


def test_output_stride_out_of_reach() -> None:
    with pytest.raises(ValueError, match="8, 16 or 32"):
        VGG16(Model(backbone="vgg16"), 64)
