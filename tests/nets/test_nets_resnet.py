"""ResNet against torchvision's, and against the table of rates that follows from the papers."""

from __future__ import annotations

import pytest
import torch
import torchvision
from nets_random import drawn, randomise
from torch import Tensor, nn

from repro.nets.deeplab import build
from repro.nets.layers import IMAGENET_MEAN, IMAGENET_STD
from repro.nets.resnet import ResNet, plan_units
from repro.nets.weights import load_backbone
from repro.spec.protocol import Model

NARROW = {"width": 4, "stem_width": 4}

# DeepLab v3, figure 3 and section 3.2: base rates of the units after a block's last, blocks 3 to 7, and the side of the
# final map for an input of 513
RATES = {
    8: ((2, 4, 8, 16, 32), 65),
    16: ((1, 2, 4, 8, 16), 33),
    32: ((1, 1, 2, 4, 8), 17),
    64: ((1, 1, 1, 2, 4), 9),
    128: ((1, 1, 1, 1, 2), 5),
    256: ((1, 1, 1, 1, 1), 3),
}


def torchvision_features(network: nn.Module, x: Tensor) -> Tensor:
    """Features of torchvision's ResNet for an image in [-1, 1]."""
    mean, deviation = torch.tensor(IMAGENET_MEAN)[:, None, None], torch.tensor(IMAGENET_STD)[:, None, None]
    x = ((x + 1) / 2 - mean) / deviation
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


@pytest.mark.parametrize(
    ("backbone", "output_stride", "dilated"),
    [
        ("resnet50", 32, (False, False, False)),
        ("resnet101", 32, (False, False, False)),
        ("resnet50", 16, (False, False, True)),
        ("resnet50", 8, (False, True, True)),
    ],
)
def test_features_equal_torchvision(backbone: str, output_stride: int, dilated: tuple[bool, ...]) -> None:
    theirs = drawn(lambda: getattr(torchvision.models, backbone)(replace_stride_with_dilation=dilated))
    model = Model(backbone=backbone, stem="conv7", stride_at="first_unit")
    ours = build(model, classes=3, output_stride=output_stride).eval()
    load_backbone(ours, theirs.state_dict(), "torchvision")
    x = torch.rand(1, 3, 97, 65, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        want, got = torchvision_features(theirs, x), ours.backbone(x).high
    assert want.std() > 0.1
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_stride_placement_matters() -> None:
    """The paper's placement is another function of the same weights."""
    x = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(1))
    features = {}
    for place in ("last_unit", "first_unit", "first_conv"):
        network = ResNet(Model(backbone="resnet50", stem="conv7", stride_at=place, **NARROW), 32).eval()
        randomise(network, 0)
        features[place] = network(x).high
        assert features[place].shape == (1, 128, 3, 3)
    assert not torch.allclose(features["last_unit"], features["first_unit"])
    assert not torch.allclose(features["first_conv"], features["first_unit"])


@pytest.mark.parametrize("output_stride", RATES)
@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_rates_and_side_as_published(backbone: str, output_stride: int) -> None:
    model = Model(backbone=backbone, last_block=7)
    rates, side = RATES[output_stride]
    with torch.device("meta"):
        network = ResNet(model, output_stride)
    for block, rate in zip((3, 4, 5, 6, 7), rates, strict=True):
        units = network.blocks[f"block{block}"]
        assert [u.conv2[0].dilation[0] for u in units] == [rate] * len(units)
        assert [u.conv2[0].padding[0] for u in units] == [rate] * len(units)
    strides = [[u.conv2[0].stride[0] for u in units] for units in network.blocks.values()]
    for block, of_units in enumerate(strides, start=1):
        assert of_units[:-1] == [1] * (len(of_units) - 1)
        assert of_units[-1] == (2 if 4 * 2**block <= output_stride and block < 7 else 1)
    assert network(torch.empty(1, 3, 513, 513, device="meta")).high.shape == (1, 2048, side, side)


def test_unit_that_gives_up_its_stride_keeps_its_rate() -> None:
    """Slim: at output stride 8 block 2's last unit has rate 1, block 3's has 2, and the next blocks have 2 and 4."""
    last = {p.block: p.rate for p in plan_units(Model(), 8)}
    assert last == {1: 1, 2: 1, 3: 2, 4: 4}


def test_v2_placement() -> None:
    """Caffe: stride in the first 1x1 of res3; every unit of res4 has rate 2 and of res5 rate 4."""
    network = ResNet(Model(stride_at="first_conv", stem="conv7", **NARROW), 8)
    rates = {n: {u.conv2[0].dilation[0] for u in units} for n, units in network.blocks.items()}
    assert rates == {"block1": {1}, "block2": {1}, "block3": {2}, "block4": {4}}
    first = network.blocks["block2"][0]
    assert (first.conv1[0].stride, first.conv2[0].stride, first.shortcut[0].stride) == ((2, 2), (1, 1), (2, 2))
    assert network(torch.zeros(1, 3, 321, 321)).high.shape[2:] == (41, 41)


@pytest.mark.parametrize(("output_stride", "base"), [(8, 4), (16, 2), (32, 1)])
def test_multi_grid_multiplies_block4_and_later(output_stride: int, base: int) -> None:
    plans = plan_units(Model(last_block=5, multi_grid=(1, 2, 4)), output_stride)
    assert [p.rate for p in plans if p.block == 4] == [base, 2 * base, 4 * base]
    assert [p.rate for p in plans if p.block == 5] == [2 * base, 4 * base, 8 * base]
    assert {p.rate for p in plans if p.block == 3} == ({2} if output_stride == 8 else {1})


def test_names_do_not_depend_on_output_stride() -> None:
    states = []
    for output_stride in (8, 16, 32, 64):
        with torch.device("meta"):
            state = build(Model(last_block=6), 21, output_stride).state_dict()
        states.append({k: v.shape for k, v in state.items()})
    assert all(s == states[0] for s in states)


def test_output_stride_out_of_reach() -> None:
    with pytest.raises(ValueError, match="needs more blocks"):
        plan_units(Model(last_block=5), 128)


def test_blocks_5_to_7_start_as_copies_of_block4() -> None:
    network = build(Model(backbone="resnet50", stem="conv7", last_block=7), 3, 16).backbone
    theirs = drawn(torchvision.models.resnet50)
    load_backbone(network, theirs.state_dict(), "torchvision")
    block4 = network.blocks["block4"]
    for name in ("block5", "block6", "block7"):
        for at, of_block4 in ((0, 1), (1, 1), (2, 2)):
            for key, value in network.blocks[name][at].state_dict().items():
                assert torch.equal(value, block4[of_block4].state_dict()[key])


def test_low_level_features_are_taken_before_the_addition() -> None:
    """Released code: `block1/unit_2/bottleneck_v1/conv3` and `block2/unit_3/...`, strides 4 and 8."""
    network = ResNet(Model(backbone="resnet101", head="aspp", decoder=("conv2", "conv3"), **NARROW), 16).eval()
    seen = {}
    for block, unit in (("block1", 1), ("block2", 2)):
        layer = network.blocks[block][unit].conv3
        layer.register_forward_hook(lambda _m, _i, out, block=block: seen.update({block: out.clone()}))
    low = network(torch.rand(1, 3, 65, 65)).low
    assert torch.equal(low["conv2"], seen["block1"])
    assert torch.equal(low["conv3"], seen["block2"])
    assert low["conv2"].shape == (1, 16, 17, 17)
    assert low["conv3"].shape == (1, 32, 9, 9)
    assert network.low_channels == {"conv2": 16, "conv3": 32}


def test_low_level_of_a_single_strided_unit_is_still_at_stride_4() -> None:
    network = ResNet(Model(units=(1, 1, 2, 3), head="aspp", decoder=("conv2", "conv3"), **NARROW), 16)
    low = network(torch.rand(2, 3, 129, 129)).low
    assert low["conv2"].shape == (2, 4, 33, 33)
    assert low["conv3"].shape == (2, 8, 17, 17)
    assert network.low_channels == {"conv2": 4, "conv3": 8}
