"""Normalisation in the convolution before it: the same network with one operation fewer for each."""

import pytest
import torch
from torch import nn

from repro.nets.deeplab import build
from repro.nets.fold import fold_batch_norm
from repro.spec.protocol import Model

ASPP = {"head": "aspp", "atrous_rates": (1, 2), "image_pooling": True, "head_channels": 4}
RESNET = {"backbone": "resnet50", "units": (1, 1, 1, 1), "width": 2, "stem_width": 2}
CASES = {
    "v3": {**RESNET, **ASPP},
    "v3+ separable": {**RESNET, **ASPP, "decoder": ("conv2",), "separable": True},
    "xception": {"backbone": "xception65", "width": 4, **ASPP},
    "mobilenet": {"backbone": "mobilenet_v2", **ASPP},
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_the_same_logits(name):
    torch.manual_seed(0)
    network = build(Model(**CASES[name]), 3, 16).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, std=0.2)
    x = torch.randn(2, 3, 33, 33, dtype=torch.float64)
    with torch.no_grad():
        before = network(x)
        fold_batch_norm(network)
        after = network(x)
    assert float(before.std()) > 1e-3
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_anothers_parts_are_left_alone():
    class Twice(nn.Sequential):
        def forward(self, x):
            return self[1](self[0](self[0](x)))

    network = Twice(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)).eval()
    fold_batch_norm(network)
    assert isinstance(network[1], nn.BatchNorm2d)
