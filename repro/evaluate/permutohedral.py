"""Gaussian filtering of many values at once over scattered points: the permutohedral lattice, in tensor operations.

Adams, Baek, Davis, "Fast high-dimensional filtering using the permutohedral lattice" (Eurographics 2010), as in the
code of Kraehenbuehl and Koltun (arXiv 1210.5644; pydensecrf's `permutohedral.cpp`), whose scaling, rounding and order
of operations in float32 are kept, so that a point falls into the same simplex:

1. Points in d dimensions are lifted onto the plane sum(x) = 0 of d + 1 dimensions, scaled so that the blur below has
   unit variance. Each lies in a simplex of d + 1 lattice points; they get its value by barycentric weights (splat).
2. Every lattice point takes half of its two neighbours' values along each of d + 1 directions in turn (blur). Only
   points that some simplex touches exist; a neighbour that does not exist counts as 0.
3. A point reads the d + 1 lattice points of its simplex with the same weights (slice).

Where this differs from that code: no hash table but sorted 64-bit keys; each step is a weighted sum of gathered rows
(`embedding_bag`), in a fixed order on every device, so that a result never depends on what else is in the batch; the
code's constant factor 1 / (1 + 2^-d) is left out, for both normalisations cancel it; points that the code invents to
fill its blocks of four are not there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from repro.errors import InputError

Normalization = Literal["after", "symmetric"]

LONGEST_SUM = 256
"""A lattice point of a flat image sums thousands of pixels: in parts of so many, for parallel threads."""
FARTHEST = 2**15
"""Lattice coordinates beyond this overflow the reference's 16-bit integers, and float32 places points badly."""
KEY_BITS = 62
TINY = 1e-20
TOO_MANY = "sigmas this small leave every pixel its own neighbourhood: too many lattice points to number."


@dataclass(frozen=True)
class Gather:
    """A sparse matrix (rows, columns) by rows: row r sums weights[k] * values[indices[k]] from k = offsets[r]."""

    indices: Tensor
    """(entries,) int32."""
    offsets: Tensor
    """(rows,) int32: where each row's entries begin."""
    weights: Tensor
    """(entries,) float32."""

    def __call__(self, values: Tensor) -> Tensor:
        """(columns, C) float32 -> (rows, C) float32."""
        return embedding_bag(self.indices, values, self.offsets, mode="sum", per_sample_weights=self.weights)


@dataclass(frozen=True)
class Slice:
    """What each point reads: its simplex's corners, for one table of values or several side by side."""

    indices: Tensor
    """(N, d + 1) int32: lattice points; (N, G, d + 1): rows of a lattice that holds G tables side by side."""
    weights: Tensor
    """Of the same shape, float32."""

    def __call__(self, lattice: Tensor) -> Tensor:
        """(M, C) float32 values on the lattice -> (N, C) float32 at the points; several: (M, G, C) -> (N, G, C)."""
        corners, columns = self.indices.shape[-1], lattice.shape[-1]
        indices, weights = self.indices.view(-1, corners), self.weights.view(-1, corners)
        rows = embedding_bag(indices, lattice.view(-1, columns), mode="sum", per_sample_weights=weights)
        return rows.view(*self.indices.shape[:-1], columns)


@dataclass(frozen=True)
class Filter:
    """Splat, blur along each direction, slice: the stages' product is the kernel matrix over the points."""

    stages: tuple[Gather, ...]
    """From the points to the lattice, and over the lattice."""
    slices: Slice
    """Back to the points."""

    def __call__(self, values: Tensor) -> Tensor:
        """(N, C) float32 values of the points -> (N, C) float32 filtered."""
        return self.slices(self.lattice(values))

    def lattice(self, values: Tensor) -> Tensor:
        """(N, C) float32 values of the points -> (M, C) float32 on the blurred lattice."""
        for stage in self.stages:
            values = stage(values)
        return values

    @property
    def rows(self) -> int:
        """Rows of the largest table that `lattice` makes."""
        return max(len(stage.offsets) for stage in self.stages)

    def times(self, factor: float) -> Slice:
        """The slice with its result multiplied, at no cost per use."""
        return Slice(self.slices.indices, self.slices.weights * factor)

    def each(self, factors: Sequence[float]) -> Slice:
        """The slice of len(factors) tables (M, G, C) side by side, each with a factor of its own: as `times`, bit for
        bit."""
        count, weights = len(factors), self.slices.weights
        tables = torch.arange(count, dtype=torch.int32, device=weights.device)
        # by numbers: a tensor of them would be copied to a GPU, which all before would have to be done for
        scaled = torch.stack([weights * factor for factor in factors], dim=1)
        return Slice(self.slices.indices[:, None] * count + tables[:, None], scaled)


def gaussian_filter(features: Tensor, group: Tensor, normalization: Normalization) -> Filter:
    """The normalised filter with kernel exp(-|f_i - f_j|^2 / 2) between points of one group, 0 between groups.

    `features` (d, N) float32, `group` (N,) int64 from 0 on (the image a pixel belongs to). With K the lattice's kernel
    and n = K 1: "after" gives diag(1/n) K, "symmetric" diag(n^-1/2) K diag(n^-1/2). Raises InputError where points lie
    so far apart, in units of the kernel's width, that lattice points cannot be numbered.
    """
    barycentric, keys, steps = simplices(features, group)
    points = features.shape[1]
    vertices = len(steps)
    ordered, order = torch.sort(keys.reshape(-1), stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=first[1:])
    starts = first.nonzero()[:, 0]
    rank = torch.cumsum(first, 0, dtype=torch.int32) - 1
    lattice = torch.empty_like(rank).scatter_(0, order, rank).view(vertices, points)
    blur = [_blur(ordered[starts], step) for step in steps]

    weights = barycentric.t().contiguous()
    pixels = order.to(torch.int32) % points
    splat_weights = barycentric.reshape(-1)[order]
    splat = _split(pixels, starts, splat_weights)
    corners = lattice.t().contiguous()
    total = Filter((*splat, *blur), Slice(corners, weights))(features.new_ones(points, 1))[:, 0] + TINY
    if normalization == "symmetric":
        total = total.sqrt()
        splat = (Gather(pixels, splat[0].offsets, splat_weights / total[pixels]), *splat[1:])
    return Filter((*splat, *blur), Slice(corners, weights / total[:, None]))


def simplices(features: Tensor, group: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Which simplex holds each point: barycentric weights (d + 1, N) float32 and keys of its corners (d + 1, N) int64.

    Also, for each of the d + 1 directions, what to add to a lattice point's key to reach its neighbour's. Keys are
    mixed-radix numbers of the first d coordinates (the last follows from them) and the group, wide enough that no
    neighbour's key is that of another point.
    """
    d = len(features)
    lifted = _lift(features)
    if not bool(lifted.abs().amax() < FARTHEST):  # refuses NaN and infinity, too
        raise InputError(TOO_MANY)
    # the nearest point with coordinates divisible by d + 1; its coordinates may not sum to 0 yet
    inverse = torch.tensor(1 / (d + 1), dtype=torch.float32, device=features.device)
    rounded = (lifted * inverse).round_()
    excess = rounded.sum(0).to(torch.int8)
    origin = rounded.mul_(d + 1)
    rank = _ranks(lifted - origin) + excess
    shift = ((rank < 0).to(torch.int8) - (rank > d).to(torch.int8)) * (d + 1)
    rank = (rank + shift).to(torch.int64)
    origin += shift
    inner = (lifted - origin) * inverse
    falling = torch.empty_like(inner).scatter_(0, rank, inner)
    barycentric = torch.empty_like(inner)
    barycentric[1:] = (falling[:-1] - falling[1:]).flip(0)
    barycentric[0] = falling[d] + (1 - falling[0])

    keys, steps = _keys(origin[:d].to(torch.int64), rank, group)
    return barycentric, keys, steps


def _keys(origin: Tensor, rank: Tensor, group: Tensor) -> tuple[Tensor, list[int]]:
    """Keys (d + 1, N) of the simplices' corners, each direction's step; `origin` (d, N) and `rank` (d + 1, N) int64."""
    d, points = origin.shape
    margin = 2 * (d + 1)  # corners lie within d of the origin, their neighbours d further
    low = (origin.amin(1) - margin).tolist()
    extent = [high - lowest + 1 for high, lowest in zip((origin.amax(1) + margin).tolist(), low, strict=True)]
    total = math.prod(extent)
    if math.log2(total * (int(group[-1]) + 1)) > KEY_BITS:
        raise InputError(TOO_MANY)
    radix = [math.prod(extent[:k]) for k in range(d)] + [0]
    keys = torch.empty(d + 1, points, dtype=torch.int64, device=origin.device)
    keys[0] = group * total
    for k in range(d):
        keys[0] += (origin[k] - low[k]) * radix[k]
    # corner r of the simplex: every coordinate + r, the r of highest rank - (d + 1) besides
    by_coordinate = torch.tensor(radix, device=origin.device)[:, None].expand(d + 1, points)
    by_rank = torch.empty_like(rank).scatter_(0, rank, by_coordinate)
    for r in range(1, d + 1):
        keys[r] = keys[r - 1] + sum(radix) - (d + 1) * by_rank[d - r + 1]
    return keys, [(d + 1) * weight - sum(radix) for weight in radix]


def _lift(features: Tensor) -> Tensor:
    """(d, N) -> (d + 1, N) on the plane where coordinates sum to 0, scaled to the blur's standard deviation."""
    d = len(features)
    # constants and steps are rounded to float32 just where the reference rounds them
    deviation = _float32(math.sqrt(2 / 3) * (d + 1))
    lifted = features.new_empty(d + 1, features.shape[1])
    total = torch.zeros_like(features[0])
    for j in range(d, 0, -1):
        scaled = features[j - 1] * _float32(deviation / math.sqrt((j + 1) * j))
        lifted[j] = total - scaled * j
        total = total + scaled
    lifted[0] = total
    return lifted


def _float32(value: float) -> float:
    return torch.tensor(value, dtype=torch.float32).item()


def _ranks(values: Tensor) -> Tensor:
    """(d + 1, N) -> (d + 1, N) int8: how many of a column's values come before each, largest first, ties in order."""
    rank = torch.zeros_like(values, dtype=torch.int8)
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            less = (values[i] < values[j]).to(torch.int8)
            rank[i] += less
            rank[j] += 1 - less
    return rank


def _split(indices: Tensor, starts: Tensor, weights: Tensor) -> tuple[Gather, ...]:
    """A sum for each row, which begin at `starts`; a long one by way of parts of at most LONGEST_SUM entries."""
    lengths = torch.diff(starts, append=starts.new_tensor([len(indices)]))
    parts = (lengths - 1) // LONGEST_SUM + 1
    begins = parts.cumsum(0) - parts
    row = torch.arange(len(starts), device=starts.device).repeat_interleave(parts)
    each = torch.arange(len(row), dtype=torch.int32, device=starts.device)
    split = Gather(indices, (starts[row] + (each - begins[row]) * LONGEST_SUM).to(torch.int32), weights)
    if len(row) == len(starts):
        return (split,)
    return split, Gather(each, begins.to(torch.int32), torch.ones_like(each, dtype=torch.float32))


def _blur(keys: Tensor, step: int) -> Gather:
    """One direction over the lattice points of the sorted `keys` (M,): each keeps itself and half of its neighbours."""
    count = len(keys)
    wanted = keys + step
    place = torch.searchsorted(keys, wanted, out_int32=True).clamp_(max=count - 1)
    here = (keys[place] == wanted).nonzero()[:, 0]
    there = place[here]
    # a row: the point itself, its neighbour ahead (if any), its neighbour behind (if any)
    entries = torch.ones_like(place)
    entries[here] += 1
    behind = entries[there]
    entries[there] += 1
    offsets = torch.cumsum(entries, 0, dtype=torch.int32) - entries
    indices = torch.empty(count + 2 * len(here), dtype=torch.int32, device=keys.device)
    indices[offsets] = torch.arange(count, dtype=torch.int32, device=keys.device)
    indices[offsets[here] + 1] = there
    indices[offsets[there] + behind] = here.to(torch.int32)
    weights = torch.full_like(indices, 0.5, dtype=torch.float32)
    weights[offsets] = 1.0
    return Gather(indices, offsets, weights)


def side_by_side(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (d, N_k) of several images -> those of all (d, N), and the group of each point (N,) int64."""
    counts = torch.tensor([part.shape[1] for part in features], device=features[0].device)
    return torch.cat(tuple(features), dim=1), torch.arange(len(features), device=counts.device).repeat_interleave(
        counts
    )
