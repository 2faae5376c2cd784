"""A batch normalised in parts is what several devices without synchronisation do."""

import copy

import torch

from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Model
from repro.train.split_batch_norm import in_parts

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)


def _network():
    network = build(MODEL, 3, 16).train()
    initialise(network, 0)
    return network


def test_each_part_is_normalised_by_itself_and_the_first_ones_averages_survive():
    x = torch.randn(6, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    network = _network()
    devices = [copy.deepcopy(network) for _ in range(3)]
    (together,) = in_parts(network, x, 3)
    alone = [device(part) for device, part in zip(devices, x.split(2), strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))
    averages = {k: v for k, v in network.state_dict().items() if "running" in k}
    for name, value in averages.items():
        assert torch.equal(value, devices[0].state_dict()[name]), name
    assert any(not torch.equal(v, devices[1].state_dict()[k]) for k, v in averages.items())
    momenta = {m.momentum for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert momenta == {0.1}


def test_gradients_come_from_every_part():
    x = torch.randn(4, 3, 33, 33, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (logits,) = in_parts(_network(), x, 2)
    logits.square().sum().backward()
    assert all(float(image.abs().sum()) > 0 for image in x.grad)


def test_one_part_is_the_whole_batch():
    x = torch.randn(4, 3, 33, 33, generator=torch.Generator().manual_seed(2))
    (whole,) = in_parts(_network(), x, 1)
    assert torch.equal(whole, _network()(x))
    (parts,) = in_parts(_network(), x, 2)
    assert not torch.allclose(whole, parts, atol=1e-3)
