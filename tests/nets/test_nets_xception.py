"""Modified Aligned Xception against timm's."""

from __future__ import annotations

import pytest
import timm
import torch
from nets_random import drawn
from torch import nn

from repro.nets.deeplab import build
from repro.nets.weights import load_backbone
from repro.nets.xception import Xception, plan_modules
from repro.spec.protocol import Model


@pytest.mark.parametrize(
    ("name", "output_stride"), [("xception65", 32), ("xception65", 16), ("xception65", 8), ("xception71", 16)]
)
def test_features_equal_timm(name: str, output_stride: int) -> None:
    theirs = drawn(lambda: timm.create_model(name, output_stride=output_stride))
    ours = build(Model(backbone=name), classes=3, output_stride=output_stride).eval()
    load_backbone(ours, theirs.state_dict(), "timm")
    x = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        want, got = theirs.forward_features(x), ours.backbone(x).high
    assert want.std() > 1e-3
    torch.testing.assert_close(got / want.std(), want / want.std(), rtol=1e-4, atol=1e-4)


def test_batch_norm_eps_is_the_papers() -> None:
    with torch.device("meta"):
        network = Xception(Model(backbone="xception65"), 16)
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
    assert Model(backbone="xception65", batch_norm_eps=1e-5).batch_norm_eps == 1e-5


@pytest.mark.parametrize(
    ("output_stride", "rates"),
    [(32, (1, 1, 1, 1)), (16, (1, 1, 1, 2)), (8, (1, 2, 2, 4))],
)
def test_rates(output_stride: int, rates: tuple[int, ...]) -> None:
    """Released code: the module that gives up its stride keeps its rate, what follows doubles it."""
    plans = plan_modules(Model(backbone="xception65"), output_stride)
    by_stage = {p.stage: p.rates for p in plans}
    assert tuple(by_stage[stage] for stage in (3, 4, 5, 6)) == tuple((r, r, r) for r in rates)


def test_multi_grid_acts_in_the_last_module() -> None:
    plans = plan_modules(Model(backbone="xception65", multi_grid=(1, 2, 4)), 16)
    assert plans[-1].rates == (2, 4, 8)
    assert {p.rates for p in plans[:-1]} == {(1, 1, 1)}


def test_depth() -> None:
    """65 and 71 layers: two of the stem and every separable convolution."""
    for name, layers in (("xception65", 65), ("xception71", 71)):
        assert 2 + 3 * len(plan_modules(Model(backbone=name), 32)) == layers


def test_low_level_taps() -> None:
    """256 and 728 channels before the ReLU of the strided convolution, at strides 4 and 8."""
    for name in ("xception65", "xception71"):
        model = Model(backbone=name, head="aspp", decoder=("conv2", "conv3"))
        with torch.device("meta"):
            network = Xception(model, 16)
        low = network(torch.empty(2, 3, 129, 129, device="meta")).low
        assert low["conv2"].shape == (2, 256, 33, 33)
        assert low["conv3"].shape == (2, 728, 17, 17)
        assert network.low_channels == {"conv2": 256, "conv3": 728}


def test_low_level_tap_is_the_second_pointwise_convolution() -> None:
    model = Model(backbone="xception71", head="aspp", decoder=("conv2",), width=4, stem_width=4, units=(1, 2, 2, 1))
    network = Xception(model, 16).eval()
    seen = {}
    layer = network.blocks[2].convs[1].pointwise  # entry_flow/block3: the strided one of stage 2
    layer.register_forward_hook(lambda _m, _i, out: seen.update(out=out.clone()))
    low = network(torch.rand(1, 3, 65, 65)).low
    assert torch.equal(low["conv2"], seen["out"])


def test_narrow_network_of_the_same_code() -> None:
    network = Xception(Model(backbone="xception65", width=8, stem_width=8, units=(1, 1, 1, 2)), 16)
    assert network(torch.zeros(2, 3, 129, 129)).high.shape == (2, 256, 9, 9)
