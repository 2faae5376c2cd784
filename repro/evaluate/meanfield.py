"""Mean field in a fully connected CRF (v2, arXiv 1606.00915, section 3.3), in tensor operations on CPU and GPU.

Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials" (arXiv 1210.5644).
Energy: unary -log P(label); Potts pairwise terms w1 exp(-|dp|^2 / 2 sigma_alpha^2 - |dI|^2 / 2 sigma_beta^2) +
w2 exp(-|dp|^2 / 2 sigma_gamma^2), positions in pixels, colours in RGB bytes. As in their code and in pydensecrf:

1. Both kernels are the permutohedral lattice's, normalised as `crf.normalization` says: "after" (rows sum to 1: the
   code of 2011 that the DeepLab authors used) or "symmetric" (pydensecrf's default).
2. A pixel's message includes the one that it sends itself; the lattice cannot leave it out.
3. The start is the normalised exp(-unary); an iteration is Q = softmax(-unary + w1 K1 Q + w2 K2 Q), all pixels at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import torch
from torch import Tensor

from repro.errors import InputError
from repro.evaluate.confusion import predicted
from repro.evaluate.permutohedral import Filter, Normalization, gaussian_filter, side_by_side
from repro.spec.protocol import CRF

SMALLEST = 1e-8
"""Probabilities below this count as this: the energy of an impossible label stays finite."""
VALUES_TOGETHER = 84_000_000
"""On a GPU, pixels times columns of the images filtered at once: 21 photographs of 500 x 375 with 21 classes, 4 GB."""
BUILDING = 21
"""To build its lattice a pixel takes about the memory of so many columns, however few it has."""
SIDE_BY_SIDE = 2**24
"""On a CPU, rows times columns of a table of several mean fields: 64 MB, four w1 of a photograph with 21 classes."""
LARGEST = 1.001
"""Means of softmax outputs may exceed 1 by rounding; what is larger than this was no probability."""


def mean_field(probabilities: Tensor, pixels: Tensor, crf: CRF) -> Tensor:
    """Marginals (C, H, W) float32 after `crf.iterations` steps.

    `probabilities` (C, H, W) float32 and `pixels` (H, W, 3) uint8 RGB of one image without padding, on one device.
    Raises InputError for sizes that differ, values that are no probabilities, and sigmas or weights out of range.
    """
    return mean_fields([probabilities], [pixels], crf)[0]


def mean_fields(probabilities: Sequence[Tensor], pixels: Sequence[Tensor], crf: CRF) -> list[Tensor]:
    """`mean_field` of several images, of any sizes: one by one on a CPU (whose cache one image fills), else together.

    An image's marginals are the same whatever it is batched with.
    """
    check(probabilities, pixels, crf)
    w1, sigma_alpha, sigma_beta = bilateral(crf)
    result: list[Tensor] = []
    for batch in batches(pixels, len(probabilities[0]) if probabilities else 1):
        kernels = Kernels.build(pixels[batch], sigma_alpha, sigma_beta, crf.sigma_gamma, crf.normalization)
        result += kernels.marginals(probabilities[batch], w1, crf.w2, crf.iterations)
    return result


def bilateral(crf: CRF) -> tuple[float, float, float]:
    """w1, sigma_alpha and sigma_beta; InputError where one is a list that a search has yet to choose from."""
    values = (crf.w1, crf.sigma_alpha, crf.sigma_beta)
    for name, value in zip(("w1", "sigma_alpha", "sigma_beta"), values, strict=True):
        if isinstance(value, tuple):
            raise InputError(f"evaluate.crf.{name}: {list(value)} is a list to search. Choose one number.")
    w1, sigma_alpha, sigma_beta = (value for value in values if not isinstance(value, tuple))
    return w1, sigma_alpha, sigma_beta


def batches(pixels: Sequence[Tensor], columns: int) -> Iterator[slice]:
    """Which images (H, W, 3) are filtered together, with so many values for a pixel (its classes, times the mean fields
    side by side): each alone on a CPU, as many as memory holds on a GPU."""
    first, held = 0, 0
    for k, image in enumerate(pixels):
        size = image.shape[0] * image.shape[1] * max(columns, BUILDING)
        if k > first and (not image.is_cuda or held + size > VALUES_TOGETHER):
            yield slice(first, k)
            first, held = k, 0
        held += size
    if pixels:
        yield slice(first, len(pixels))


@dataclass(frozen=True)
class MeanFieldState:
    """Where mean field stands after some iterations, rows of all images' pixels."""

    scores: Tensor
    """(N, C) float32: what goes into the softmax: log P(label), plus all messages after the first iteration."""
    marginals: Tensor
    """(N, C) float32: the softmax of the scores."""


def beliefs(probabilities: Tensor, pixels: Tensor, crf: CRF) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores and marginals, (C, H, W) each, of one image before the first and after each iteration (v2, Fig. 5)."""
    check([probabilities], [pixels], crf)
    w1, sigma_alpha, sigma_beta = bilateral(crf)
    kernels = Kernels.build([pixels], sigma_alpha, sigma_beta, crf.sigma_gamma, crf.normalization)
    states = kernels.iterate([probabilities], w1, crf.w2, crf.iterations)
    return ((kernels.images(state.scores)[0], kernels.images(state.marginals)[0]) for state in states)


@dataclass(frozen=True)
class Kernels:
    """The two filters of some images: they depend on pixels and sigmas, not on weights or probabilities."""

    bilateral: Filter
    gaussian: Filter
    sizes: tuple[tuple[int, int], ...]
    """Height and width of each image; the filters' points are all images' pixels, one after the other."""

    @classmethod
    def build(
        cls,
        pixels: Sequence[Tensor],
        sigma_alpha: float,
        sigma_beta: float,
        sigma_gamma: float,
        normalization: Normalization = "after",
    ) -> Kernels:
        """The lattices of images (H, W, 3) uint8; a search over weights builds them once."""
        if normalization not in get_args(Normalization):
            raise InputError(f'normalization: {normalization!r} is neither "after" nor "symmetric".')
        sizes = tuple((image.shape[0], image.shape[1]) for image in pixels)
        places = [_positions(size, image.device) for size, image in zip(sizes, pixels, strict=True)]
        features = [
            torch.cat((_divided(place, sigma_alpha), _divided(image.reshape(-1, 3).t(), sigma_beta)))
            for place, image in zip(places, pixels, strict=True)
        ]
        try:
            bilateral = gaussian_filter(*side_by_side(features), normalization)
            gaussian = _gaussian(sizes, sigma_gamma, normalization, pixels[0].device)
        except InputError as error:
            raise InputError(
                f"evaluate.crf: sigma_alpha {sigma_alpha}, sigma_beta {sigma_beta}, sigma_gamma {sigma_gamma}: {error} "
                f"Set them to 1 or more."
            ) from error
        return cls(bilateral, gaussian, sizes)

    @torch.no_grad()
    def marginals(self, probabilities: Sequence[Tensor], w1: float, w2: float, iterations: int) -> list[Tensor]:
        """(C, H, W) of each image after the last iteration."""
        unary = _unary(probabilities)
        rows = self._settled(unary, self._spread(unary.softmax(dim=1)), (w1,), w2, iterations)
        return [image.contiguous() for image in self.images(rows[:, 0])]

    @torch.no_grad()
    def labels(self, probabilities: Sequence[Tensor], w1: Sequence[float], w2: float, iterations: int) -> Tensor:
        """The most probable label of each pixel for each of several w1, (N, len(w1)) int64, as `marginals` has them.

        All start from the same probabilities, and share the first filtering. As many as memory allows go on side by
        side: lattice points and weights are then read once for all.
        """
        unary = _unary(probabilities)
        start = self._spread(unary.softmax(dim=1))
        step = self._side_by_side(unary.shape[1])
        parts = [w1[k : k + step] for k in range(0, len(w1), step)]
        return torch.cat([predicted(self._settled(unary, start, p, w2, iterations), dim=2) for p in parts], dim=1)

    @torch.no_grad()
    def iterate(
        self, probabilities: Sequence[Tensor], w1: float, w2: float, iterations: int
    ) -> Iterator[MeanFieldState]:
        """Yield the state before the first and after each iteration."""
        unary = _unary(probabilities)
        slices = self.gaussian.times(w2), self.bilateral.times(w1)
        state = MeanFieldState(unary, unary.softmax(dim=1))
        yield state
        for _ in range(iterations):
            near, far = (part(table) for part, table in zip(slices, self._spread(state.marginals), strict=True))
            scores = far.add_(near).add_(unary)
            state = MeanFieldState(scores, scores.softmax(dim=1))
            yield state

    def _spread(self, marginals: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C) -> both kernels' blurred lattices (M, C), the Gaussian's first."""
        return self.gaussian.lattice(marginals), self.bilateral.lattice(marginals)

    def _settled(
        self, unary: Tensor, start: tuple[Tensor, Tensor], w1: Sequence[float], w2: float, iterations: int
    ) -> Tensor:
        """Marginals (N, G, C) after the last iteration, for G values of w1; `start` as the first marginals spread."""
        (points, classes), tables = unary.shape, len(w1)
        bilateral, gaussian = self.bilateral.each(w1), self.gaussian.times(w2)
        marginals = unary.new_empty(points, tables, classes)
        near, far = start[0], start[1][:, None].expand(-1, tables, -1).contiguous()
        for iteration in range(iterations):
            if iteration:
                near, far = self._spread(marginals.view(points, -1))
            scores = bilateral(far.view(-1, tables, classes))
            scores += gaussian(near).view(points, -1, classes)  # one for all in the first iteration
            scores += unary[:, None]
            torch.softmax(scores, dim=2, out=marginals)
        return marginals

    def _side_by_side(self, classes: int) -> int:
        """How many mean fields go on at once."""
        values = classes * max(self.bilateral.rows, sum(height * width for height, width in self.sizes))
        return max(1, (VALUES_TOGETHER if self.bilateral.slices.weights.is_cuda else SIDE_BY_SIDE) // values)

    def images(self, rows: Tensor) -> list[Tensor]:
        """(N, C) -> (C, H, W) for each image."""
        parts = torch.split(rows, [height * width for height, width in self.sizes])
        return [part.t().reshape(-1, *size) for part, size in zip(parts, self.sizes, strict=True)]


def _unary(probabilities: Sequence[Tensor]) -> Tensor:
    """(C, H, W) of each image -> log P(label), (N, C) float32: rows of all images' pixels."""
    rows = torch.cat([p.flatten(1).float() for p in probabilities], dim=1).t().contiguous()
    return rows.clamp_(SMALLEST, 1.0).log_()


@lru_cache(maxsize=1)
def _gaussian(
    sizes: tuple[tuple[int, int], ...], sigma: float, normalization: Normalization, device: torch.device
) -> Filter:
    """The filter over positions alone, which images of one size share: the last one made is kept."""
    places = [_divided(_positions(size, device), sigma) for size in sizes]
    return gaussian_filter(*side_by_side(places), normalization)


def _positions(size: tuple[int, int], device: torch.device) -> Tensor:
    """(2, H * W) float32: x and y of each pixel, row by row."""
    axes = [torch.arange(side, dtype=torch.float32, device=device) for side in size]
    y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack((x, y)).flatten(1)


def _divided(values: Tensor, sigma: float) -> Tensor:
    # by a tensor: CUDA would multiply by a number's rounded inverse, and points could change simplex
    return values.float() / torch.tensor(sigma, dtype=torch.float32, device=values.device)


def check(probabilities: Sequence[Tensor], pixels: Sequence[Tensor], crf: CRF) -> None:
    """Raise InputError unless images and probabilities belong together and every parameter is in range."""
    for name in ("sigma_alpha", "sigma_beta", "sigma_gamma", "w1", "w2"):
        sigma = name.startswith("sigma")
        held = getattr(crf, name)
        for value in held if isinstance(held, tuple) else (held,):
            if not math.isfinite(value) or value < 0 or (sigma and value == 0):
                wanted = "positive" if sigma else "0 or more"
                raise InputError(f"evaluate.crf.{name}: {value} is not {wanted}. Set it to a number that is.")
    if len(probabilities) != len(pixels):
        raise InputError(f"CRF: probabilities of {len(probabilities)} images, but {len(pixels)} images. Pass as many.")
    for p, image in zip(probabilities, pixels, strict=True):
        if p.ndim != 3 or image.ndim != 3 or image.shape[2] != 3 or p.shape[1:] != image.shape[:2] or not p.numel():
            raise InputError(
                f"CRF: probabilities {tuple(p.shape)} and image {tuple(image.shape)} do not belong together; (C, H, W) "
                f"and (H, W, 3) of one size were expected. Cut the padding off both, or resize the probabilities."
            )
        if image.dtype != torch.uint8:
            raise InputError(
                f"CRF: the image is {image.dtype}; RGB bytes (torch.uint8) were expected. Pass it undivided."
            )
        low, high = (float(end) for end in torch.aminmax(p))
        if not (low >= 0 and high <= LARGEST):  # NaN fails both
            raise InputError(
                f"CRF: probabilities go from {low:g} to {high:g}; finite numbers in [0, 1] were expected. Pass the "
                f"softmax, not the scores; NaN comes from a training that diverged."
            )
