"""Atrous convolutions that leave out what reads padding only, against torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from repro.nets.layers import AtrousConv2d


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    kernel=st.sampled_from([1, 3, 5, 7]),
    rate=st.integers(1, 14),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_maps_and_gradients_are_those_of_all_taps(height, width, kernel, rate, depthwise, bias):
    torch.manual_seed(0)
    groups, c_out = (3, 3) if depthwise else (1, 2)
    ours = AtrousConv2d(3, c_out, kernel, rate=rate, groups=groups, bias=bias).double()
    plain = nn.Conv2d(3, c_out, kernel, padding="same", dilation=rate, groups=groups, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    found = []
    for conv in (ours, plain):
        given = x.clone().requires_grad_()
        out = conv(given)
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)).sum().backward()
        found.append([out, given.grad, *(parameter.grad for parameter in conv.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("rate", "taps"), [(8, 9), (9, 1), (64, 1)])
def test_a_rate_beyond_the_map_leaves_the_centre(monkeypatch, rate, taps):
    seen = []
    conv2d = functional.conv2d
    monkeypatch.setattr(
        "repro.nets.layers.functional.conv2d",
        lambda x, w, *a, **k: (seen.append(w[0, 0].numel()), conv2d(x, w, *a, **k))[1],
    )
    AtrousConv2d(1, 1, 3, rate=rate)(torch.zeros(1, 1, 9, 9))
    assert (seen or [9]) == [taps]


def test_a_map_may_be_narrow_in_one_direction_only():
    conv = AtrousConv2d(1, 1, 3, rate=4, bias=False)
    conv(torch.ones(1, 1, 3, 20)).sum().backward()
    gradient = conv.weight.grad[0, 0]
    assert gradient[0].tolist() == gradient[2].tolist() == [0, 0, 0]
    assert gradient[1].tolist() == [48, 60, 48]


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="even kernel"):
        AtrousConv2d(1, 1, 4)
