"""The arithmetic of layers against the networks that are really built."""

import pytest
import torch
from torch import nn

from repro.nets.cost import cost
from repro.nets.deeplab import build
from repro.plan.chain import Inputs
from repro.plan.code import Code
from repro.plan.layers import in_arithmetic, kept_values, multiply_adds, parameters
from repro.plan.plan import Request
from repro.plan.plan import build as plan
from repro.spec.load import load_suite

SIDE = 257


def _networks():
    """Every backbone with every head, decoder and stride that the suite trains at scale paper and tiny."""
    suite, found = load_suite(), {}
    inputs = Inputs(
        lambda *_: "", lambda *_: Code(()), lambda name: tuple(map(str, range(suite.dataset(name).count))), lambda _: ""
    )
    for scale in ("paper", "tiny"):
        made = plan(suite, Request(tuple(suite.select(["all"])), scale, 1), inputs)
        for training in made.trainings.values():
            if training.task == "segment":
                m, stride = training.model, training.settings.output_stride
                kind = (scale, m.backbone, m.head, m.decoder, m.separable, m.image_pooling, m.stride_at, m.multi_scale)
                found.setdefault(kind, pytest.param(m, stride, id=f"{scale}-{m.backbone}-{m.head}-{stride}"))
    return list(found.values())


NETWORKS = _networks()


def _built(model, output_stride):
    with torch.device("meta"):
        return build(model, 21, output_stride)


@pytest.mark.parametrize(("model", "output_stride"), NETWORKS)
def test_parameters_are_the_networks(model, output_stride):
    assert parameters(model, output_stride) == sum(p.numel() for p in _built(model, output_stride).parameters())


@pytest.mark.parametrize(("model", "output_stride"), NETWORKS[::2])
def test_multiply_adds_are_the_networks(model, output_stride):
    width = 97 if in_arithmetic(model) else SIDE  # a network that is counted as built is counted on squares
    exact = cost(model, 21, output_stride, (SIDE, width)).plain_multiply_adds
    assert multiply_adds(model, output_stride, SIDE, width) == exact


def _kept_by_autograd(network):
    """Numbers in the tensors that autograd saves on an image, parameters left out, each once."""
    own = {id(p) for p in network.parameters()}
    seen = {}

    def pack(tensor):
        if id(tensor) not in own and tensor.is_floating_point():
            seen[tensor.untyped_storage()._cdata] = (tensor, tensor.untyped_storage().nbytes() // tensor.element_size())
        return tensor

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        network(torch.empty(2, 3, SIDE, SIDE, device="meta"))
    return sum(count for _, count in seen.values()) / 2


@pytest.mark.parametrize(("model", "output_stride"), NETWORKS[::2])
def test_what_a_training_keeps_is_within_an_eighth(model, output_stride):
    kept = _kept_by_autograd(_built(model, output_stride).train())
    assert kept_values(model, output_stride, SIDE, SIDE) == pytest.approx(kept, rel=0.125)
