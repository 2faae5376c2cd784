"""Normalisation, addition and rectifier in kernels, run by Triton's interpreter, against torch's own in float64."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Model

pytest.importorskip("triton", reason="Triton comes with torch's builds for CUDA")
from repro.nets import fused_norm
from repro.nets.fused_norm import FusedBatchNorm2d, fuse_batch_norm

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize(("shape", "parts"), [((2, 5, 3, 7), 1), ((2, 70, 3, 4), 2), ((2, 4, 1, 1), 2)])
def test_values_gradients_and_averages_are_torchs(monkeypatch, adds, shape, parts):
    monkeypatch.setattr(fused_norm, "ROWS", 16)
    monkeypatch.setattr(fused_norm, "PARTS", parts)
    draw = torch.Generator().manual_seed(0)
    # far from 0, where sums of squares lose digits
    x, shortcut, towards = (torch.randn(shape, generator=draw) * 2 + at for at in (30, 0, 0))
    norm = nn.BatchNorm2d(shape[1], eps=1e-3, momentum=0.3)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor, generator=draw)
    exact = copy.deepcopy(norm).double()
    given = [t.double().requires_grad_() for t in (x, shortcut)]
    expected = torch.relu(exact(given[0]) + (given[1] if adds else 0))
    (expected * towards).sum().backward()

    fused = FusedBatchNorm2d(norm.to(DEVICE))
    own = [t.to(DEVICE).contiguous(memory_format=torch.channels_last).requires_grad_() for t in (x, shortcut)]
    found = fused(own[0], own[1] if adds else None)
    (found * towards.to(DEVICE)).sum().backward()
    assert found.is_contiguous(memory_format=torch.channels_last)
    pairs = [(found, expected), (own[0].grad, given[0].grad), (own[1].grad, given[1].grad)]
    pairs += [(getattr(fused, n), getattr(exact, n)) for n in ("running_mean", "running_var")]
    pairs += [(getattr(fused, n).grad, getattr(exact, n).grad) for n in ("weight", "bias")]
    for one, other in pairs:
        if other is None:
            assert one is None
        else:
            torch.testing.assert_close(one.double().cpu(), other, rtol=1e-4, atol=1e-4)
    assert int(fused.num_batches_tracked) == 1


def test_in_evaluation_it_is_torchs():
    norm = FusedBatchNorm2d(nn.BatchNorm2d(3)).eval()
    x, shortcut = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    plain = functional.batch_norm(x, norm.running_mean, norm.running_var, eps=norm.eps)
    assert torch.equal(norm(x), torch.relu(plain))
    assert torch.equal(norm(x, shortcut), torch.relu(plain + shortcut))


def test_a_network_is_the_same_with_fewer_operations_and_its_own_names():
    model = Model(
        backbone="resnet50", units=(2, 1, 1, 1), width=2, stem_width=2, residual_gamma=0.5, head="aspp",
        head_channels=4, atrous_rates=(1,), image_pooling=True, decoder=("conv2",), decoder_channels=4,
        decoder_low_level_channels=2,
    )  # fmt: skip
    network = build(model, 3, 16).train()
    initialise(network, 0)
    other = copy.deepcopy(network)
    fuse_batch_norm(other)
    assert other.state_dict().keys() == network.state_dict().keys()
    relus = sum(isinstance(module, nn.ReLU) for module in network.modules())
    units = sum(len(block) for block in network.backbone.blocks.values())
    fused = sum(isinstance(module, FusedBatchNorm2d) for module in other.modules())
    assert fused == relus + units - 1  # the decoder taps one unit's branch before it is added
    x = torch.randn(2, 3, 17, 17, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(other.to(DEVICE)(x.to(DEVICE)).cpu(), network(x), rtol=1e-3, atol=1e-4)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name].cpu(), value, rtol=1e-4, atol=1e-5)
