"""The Gaussian filter against a plain lattice written from the paper, and against the kernel itself."""

import math

import numpy as np
import pytest
import torch

from repro.evaluate.permutohedral import gaussian_filter


def _plain_lattice(features, values):
    """Adams et al. 2010, section 4, in float64 with a dictionary: values (N, C) -> filtered (N, C), not normalised."""
    count, d = features.shape
    scale = math.sqrt(2 / 3) * (d + 1)
    basis = np.zeros((d + 1, d))
    for column in range(d):
        basis[: column + 1, column] = 1
        basis[column + 1, column] = -(column + 1)
        basis[:, column] *= scale / math.sqrt((column + 1) * (column + 2))
    table, corners = {}, []
    for point in range(count):
        y = basis @ features[point]
        zero = np.rint(y / (d + 1)) * (d + 1)
        order = np.argsort(-(y - zero), kind="stable")
        rank = np.empty(d + 1, dtype=int)
        rank[order] = np.arange(d + 1)
        rank += round(zero.sum() / (d + 1))
        zero[rank < 0] += d + 1
        zero[rank > d] -= d + 1
        rank %= d + 1
        fall = np.sort((y - zero) / (d + 1))[::-1]
        weights = [1 + fall[d] - fall[0]] + [fall[d - k] - fall[d - k + 1] for k in range(1, d + 1)]
        for k, weight in enumerate(weights):
            vertex = tuple((zero + np.where(rank <= d - k, k, k - (d + 1))).astype(int))
            assert sum(vertex) == 0
            corners.append((point, vertex, weight))
            table[vertex] = table.get(vertex, 0) + weight * values[point]
    for axis in range(d + 1):
        step = np.ones(d + 1, dtype=int)
        step[axis] = -d
        near = {v: (tuple(np.add(v, step)), tuple(np.subtract(v, step))) for v in table}
        table = {v: table[v] + 0.5 * (table.get(a, 0) + table.get(b, 0)) for v, (a, b) in near.items()}
    out = np.zeros_like(values)
    for point, vertex, weight in corners:
        out[point] += weight * table[vertex]
    return out


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_filter_equals_a_plain_lattice(d, normalization):
    rng = np.random.default_rng(d)
    features = (rng.normal(size=(120, d)) * 1.5).astype(np.float32)
    values = rng.random((120, 3))
    norm = _plain_lattice(features, np.ones((120, 1)))
    if normalization == "after":
        expected = _plain_lattice(features, values) / norm
    else:
        expected = _plain_lattice(features, values / np.sqrt(norm)) / np.sqrt(norm)
    kernel = gaussian_filter(torch.from_numpy(features.T.copy()), torch.zeros(120, dtype=torch.int64), normalization)
    found = kernel(torch.from_numpy(values).float())
    assert torch.allclose(found.double(), torch.from_numpy(expected), atol=2e-5)


def test_filter_approximates_the_gaussian_kernel():
    """On a dense cloud the lattice's kernel is close to exp(-d^2 / 2) in shape and width."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 6000, generator=generator) * 8
    values = torch.sin(features[:1] * 2).t().contiguous()
    exact = torch.exp(-torch.cdist(features.t(), features.t()).square() / 2)
    exact = exact @ values / exact.sum(1, keepdim=True)
    found = gaussian_filter(features, torch.zeros(6000, dtype=torch.int64), "after")(values)
    assert torch.corrcoef(torch.cat((exact, found), dim=1).t())[0, 1] > 0.99
    assert 0.8 < float((found * exact).sum() / exact.square().sum()) < 1.2
