"""Atrous convolutions that leave out what reads padding only, against torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from repro.nets.layers import ConvBN, MeanWithChannelsLast, SameConv2d, SeparableConvBN, Subsample


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    kernel=st.integers(1, 7),
    rate=st.integers(1, 14),
    stride=st.integers(1, 4),
    depthwise=st.booleans(),
    bias=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_maps_and_gradients_are_those_of_all_taps(height, width, kernel, rate, stride, depthwise, bias):
    torch.manual_seed(0)
    groups, c_out = (3, 3) if depthwise else (1, 2)
    ours = SameConv2d(3, c_out, kernel, stride=stride, rate=rate, groups=groups, bias=bias).double()
    plain = nn.Conv2d(3, c_out, kernel, padding="same", dilation=rate, groups=groups, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    found = []
    for conv, step in ((ours, 1), (plain, stride)):
        given = x.clone().requires_grad_()
        out = conv(given)[:, :, ::step, ::step]
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)).sum().backward()
        found.append([out, given.grad, *(parameter.grad for parameter in conv.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("side", "rate", "taps"), [(9, 8, 3), (9, 9, 1), (9, 64, 1), (1, 1, 1), (3, 2, 3)])
def test_no_tap_that_reads_padding_only_reaches_the_kernel(monkeypatch, stride, side, rate, taps):
    seen = []
    conv2d = functional.conv2d
    monkeypatch.setattr(
        "repro.nets.layers.functional.conv2d",
        lambda x, w, *a, **k: (seen.append(tuple(w.shape[2:])), conv2d(x, w, *a, **k))[1],
    )
    SameConv2d(1, 1, 3, stride=stride, rate=rate)(torch.zeros(1, 1, side, side))
    assert seen == [(taps, taps)]


def test_a_side_of_two_pixels_has_two_taps_at_stride_two():
    conv = SameConv2d(1, 1, 3, stride=2, bias=False)
    conv(torch.ones(1, 1, 2, 1)).sum().backward()
    assert conv.weight.grad[0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_a_map_may_be_narrow_in_one_direction_only():
    conv = SameConv2d(1, 1, 3, rate=4, bias=False)
    conv(torch.ones(1, 1, 3, 20)).sum().backward()
    gradient = conv.weight.grad[0, 0]
    assert gradient[0].tolist() == gradient[2].tolist() == [0, 0, 0]
    assert gradient[1].tolist() == [48, 60, 48]


@pytest.mark.parametrize("between", [True, False])
def test_a_separable_convolution_with_and_without_batch_normalisation_in_between(between: bool) -> None:
    """v3+, section 3: after each 3x3 depthwise convolution too; computed here from its own weights."""
    torch.manual_seed(0)
    layer = SeparableConvBN(4, 6, rate=2, between=between).eval()
    norms = [module for module in layer.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == (2 if between else 1)
    for norm in norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)

    def normed(x: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        return functional.relu(functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias))

    x = torch.randn(2, 4, 9, 7)
    depthwise = layer.depthwise[0] if isinstance(layer.depthwise, ConvBN) else layer.depthwise
    y = functional.conv2d(x, depthwise.weight, padding=2, dilation=2, groups=4)
    if between:
        y = normed(y, norms[0])
    expected = normed(functional.conv2d(y, layer.pointwise[0].weight), norms[-1])
    torch.testing.assert_close(layer(x), expected)


def _with_gradient(function, x, draw):
    given = x.clone(memory_format=torch.preserve_format).requires_grad_()
    out = function(given)
    towards = torch.randn(out.shape, generator=torch.Generator().manual_seed(draw))
    return out.detach(), torch.autograd.grad(out, given, towards)[0]  # a leaf's own would be put into its layout


@pytest.mark.parametrize("stride", [2, 3])
def test_what_subsamples_on_a_gpu_is_a_slice_to_the_last_bit_and_keeps_channels_last(stride):
    x = torch.randn(2, 5, 9, 6).contiguous(memory_format=torch.channels_last)
    expected = _with_gradient(Subsample(stride), x, 0)
    found = _with_gradient(lambda x: functional.avg_pool2d(x, 1, stride), x, 0)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)
    # which is what the layer is for: autograd's own gradient of a slice has its channels first
    assert not expected[1].is_contiguous(memory_format=torch.channels_last)


def test_the_mean_of_a_gpu_is_torchs_to_the_last_bit_and_its_gradient_keeps_channels_last():
    x = torch.randn(2, 5, 9, 6).contiguous(memory_format=torch.channels_last)
    expected = _with_gradient(lambda x: x.mean(dim=(2, 3), keepdim=True), x, 0)
    found = _with_gradient(MeanWithChannelsLast.apply, x, 0)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert found[1].is_contiguous(memory_format=torch.channels_last)
