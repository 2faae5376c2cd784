"""Weights in bfloat16 made at once: autocast's own numbers to the last bit."""

import copy

import pytest
import torch

from repro.nets.init import initialise
from repro.nets.precision import autocast
from repro.spec.protocol import Model, Train
from repro.train.distributed import SINGLE_PROCESS
from repro.train.half_weights import HalfWeights
from repro.train.optimizer import set_batch_norm
from repro.train.training import network_of

MODEL = Model(
    backbone="resnet50", units=(1, 1, 1, 1), width=4, stem_width=4, head="aspp", atrous_rates=(1, 2), head_channels=8
)
CPU = torch.device("cpu")


def _step(network, train, *, fused):
    trainer = SINGLE_PROCESS.trainer(network, train, "bfloat16", fused=fused)
    x = torch.randn(4, 3, 17, 17, generator=torch.Generator().manual_seed(0))
    with autocast(CPU, "bfloat16"):
        (out,) = trainer(x)
    out.float().square().sum().backward()
    return out, {name: parameter.grad for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("batch_norm", ["train", "frozen"])
def test_maps_and_gradients_are_autocasts(batch_norm):
    train = Train(batch_size=4, batch_norm=batch_norm)
    network = network_of(MODEL, 3, train).train()
    initialise(network, 0)
    set_batch_norm(network, train)
    network.backbone.stem.requires_grad_(False)
    other = copy.deepcopy(network)
    (expected, theirs), (found, ours) = _step(network, train, fused=False), _step(other, train, fused=True)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    assert theirs.keys() == ours.keys()
    for name, gradient in theirs.items():
        assert (gradient is None) == (ours[name] is None), name
        assert gradient is None or (torch.equal(gradient, ours[name]) and ours[name].dtype == torch.float32), name


def test_a_network_keeps_its_float32(monkeypatch):
    network = network_of(MODEL, 3, Train(batch_size=4)).train()
    before = {name: parameter for name, parameter in network.named_parameters()}
    made = []
    monkeypatch.setattr(torch, "_foreach_copy_", lambda to, _of: made.append((len(to), to[0].dtype)))
    HalfWeights(network)(torch.zeros(2, 3, 17, 17, dtype=torch.bfloat16))
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert made == [(convolutions + 1, torch.bfloat16)]  # and the classifier's bias
    assert all(parameter is before[name] for name, parameter in network.named_parameters())
