"""Batch normalisation over processes is that of the whole batch, its gradients too; two threads stand for processes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from repro.train import synced_batch_norm
from repro.train.synced_batch_norm import NormalisedByKernels, SyncedBatchNorm2d, synchronise

EPS, MOMENTUM = 1e-3, 0.3


def _stats(x, eps):
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    return mean, (variance + eps).rsqrt()


def _gathered(_x, means, inverse, running_mean, running_var, momentum, eps, counts):
    """Of the whole batch from the shares' own: count-weighted, the variance of the shares' means added."""
    total = counts.sum()
    mean = (means * counts[:, None]).sum(0) / total
    squares = (inverse**-2 - eps + (means - mean) ** 2) * counts[:, None]
    variance = squares.sum(0) / total
    running_mean.mul_(1 - momentum).add_(momentum * mean)
    running_var.mul_(1 - momentum).add_(momentum * squares.sum(0) / (total - 1))
    return mean, (variance + eps).rsqrt()


def _reduced(towards, x, mean, inverse, _weight, *_needed):
    centred = x - mean[:, None, None]
    along = (towards * centred).sum((0, 2, 3))
    return towards.sum((0, 2, 3)), along, along * inverse, towards.sum((0, 2, 3))


def _backward(towards, x, mean, inverse, weight, sums, along, counts):
    mean, inverse, weight, sums, along = (v[:, None, None] for v in (mean, inverse, weight, sums, along))
    total = counts.sum()
    return (towards - sums / total - (x - mean) * inverse**2 * along / total) * inverse * weight


@pytest.fixture
def two_threads(monkeypatch):
    """CUDA's kernels by their formulas, and collectives among two threads; yields who runs a function in both."""
    meet, rank, shared = threading.Barrier(2, timeout=20), threading.local(), [None, None]

    def gather(out, own):
        shared[rank.number] = own.clone()
        meet.wait()
        out.copy_(torch.cat(shared))
        meet.wait()

    def add(tensor):
        both = tensor.new_empty(2 * tensor.numel())
        gather(both, tensor.reshape(-1))
        tensor.copy_(both.view(2, *tensor.shape).sum(0))

    kernels = {
        "batch_norm_stats": _stats,
        "batch_norm_gather_stats_with_counts": _gathered,
        "batch_norm_elemt": lambda x, w, b, m, i, _: (x - m[:, None, None]) * (w * i)[:, None, None] + b[:, None, None],
        "batch_norm_backward_reduce": _reduced,
        "batch_norm_backward_elemt": _backward,
    }
    for name, function in kernels.items():
        monkeypatch.setattr(torch, name, function)
    monkeypatch.setattr(synced_batch_norm.distributed, "all_gather_into_tensor", gather)
    monkeypatch.setattr(synced_batch_norm.distributed, "all_reduce", add)

    def run(work):
        def one(number):
            rank.number = number
            return work(number)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, range(2)))

    return run


@pytest.mark.parametrize("by_kernels", [True, False])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_two_shares_are_normalised_as_one_batch(two_threads, by_kernels, layout):
    draw = torch.Generator().manual_seed(0)
    x, towards = (torch.randn(6, 5, 3, 4, generator=draw, dtype=torch.float64) * 3 + 7 for _ in range(2))
    whole = nn.BatchNorm2d(5, EPS, MOMENTUM).double()
    nn.init.normal_(whole.weight, generator=draw)
    nn.init.normal_(whole.bias, generator=draw)
    start = {name: value.clone() for name, value in whole.state_dict().items()}
    read = x.clone().requires_grad_()
    dtype = torch.float64 if by_kernels else torch.float32  # where there are no kernels it computes in float32
    (whole(read) * towards).sum().backward()

    def share(number):
        like = nn.BatchNorm2d(5, EPS, MOMENTUM).to(dtype)
        like.load_state_dict(start)
        norm = SyncedBatchNorm2d(like, 2)
        own = x[3 * number :][:3].to(dtype).contiguous(memory_format=layout).requires_grad_()
        averages = norm.running_mean, norm.running_var
        out = (
            NormalisedByKernels.apply(own, norm.weight, norm.bias, *averages, EPS, MOMENTUM, 2)
            if by_kernels
            else norm(own)
        )
        (out * towards[3 * number :][:3]).sum().backward()
        return out.detach(), own.grad, norm.weight.grad, norm.bias.grad, *averages

    outs, of_x, of_weight, of_bias, *averages = zip(*two_threads(share), strict=True)
    close = {"check_dtype": False, **({} if by_kernels else {"rtol": 1e-4, "atol": 1e-3})}
    with torch.no_grad():
        expected = nn.functional.batch_norm(x, None, None, whole.weight, whole.bias, training=True, eps=EPS)
    torch.testing.assert_close(torch.cat(outs), expected, **close)
    torch.testing.assert_close(torch.cat(of_x), read.grad, **close)
    torch.testing.assert_close(sum(of_weight), whole.weight.grad, **close)
    torch.testing.assert_close(sum(of_bias), whole.bias.grad, **close)
    for found, average in zip(averages, (whole.running_mean, whole.running_var), strict=True):
        for one in found:
            torch.testing.assert_close(one, average, **close)


def test_only_what_learns_its_statistics_is_synchronised():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(3).eval()), nn.ReLU())
    weight = network[0].weight
    synchronise(network, 4)
    assert isinstance(network[0], SyncedBatchNorm2d)
    assert network[0].processes == 4
    assert network[0].weight is weight
    assert type(network[1][0]) is nn.BatchNorm2d
