"""Scales and flips go through the network in whole batches of one shape, however the images' sizes differ."""

import pytest
import torch
from torch import nn

from repro.evaluate.inference import passes, probabilities
from repro.spec.protocol import Evaluate


class Listener(nn.Module):
    """A network of stride 8 that remembers the shapes it was given."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return x[:, :, ::8, ::8]


@pytest.mark.parametrize("flip", [False, True])
def test_each_pass_is_one_call_on_the_whole_batch(flip):
    network = Listener()
    evaluate = Evaluate(output_stride=8, canvas=(65, 97), scales=(0.5, 0.75, 1.0, 1.25), flip=flip)
    out = probabilities(network, torch.randn(5, 3, 65, 97), evaluate)
    assert out.shape == (5, 3, 65, 97)
    shapes = [(5, 3, 33, 49), (5, 3, 49, 73), (5, 3, 65, 97), (5, 3, 81, 121)]
    assert network.seen == [shape for shape in shapes for _ in range(1 + flip)]
    assert len(network.seen) == len(list(passes(evaluate)))
