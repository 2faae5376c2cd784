"""Initial weights depend on the seed and the parameter's name alone."""

from __future__ import annotations

import math

import torch

from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Model

NARROW = {"width": 4, "stem_width": 4, "head_channels": 8}


def test_networks_start_alike_where_they_share_modules() -> None:
    small = build(Model(**NARROW), 3, 16)
    large = build(Model(**NARROW, last_block=7), 3, 16)
    for network in (small, large):
        torch.manual_seed(hash(network) % 1000)  # another state of the global generator
        initialise(network, 5)
    own = large.state_dict()
    assert all(torch.equal(v, own[k]) for k, v in small.state_dict().items())


def test_seeds_and_names_tell_draws_apart() -> None:
    network = build(Model(**NARROW), 3, 16)
    initialise(network, 0)
    first = network.state_dict()["backbone.blocks.block4.1.conv2.0.weight"].clone()
    assert not torch.equal(first, network.state_dict()["backbone.blocks.block4.2.conv2.0.weight"])
    initialise(network, 1)
    assert not torch.equal(first, network.state_dict()["backbone.blocks.block4.1.conv2.0.weight"])


def test_spread() -> None:
    """He: variance 2 / fan in; 0.01 for whatever is called classifier; biases 0."""
    network = build(Model(width=32, head="sum_aspp", atrous_rates=(6, 12)), 21, 8)
    initialise(network, 0)
    weight = network.backbone.blocks["block4"][1].conv2[0].weight.detach()
    assert abs(float(weight.std()) * math.sqrt(weight[0].numel() / 2) - 1) < 0.01
    for layer in network.head.classifier:
        assert abs(float(layer.weight.detach().std()) - 0.01) < 0.0005
        assert not layer.bias.any()
