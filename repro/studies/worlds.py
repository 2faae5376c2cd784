"""Experiments whose true values are known, judged as if they had been measured.

A world draws validation images, trains cells with seeds and counts per-image confusion matrices. In logits of the
share of a class's pixels that are found, everything that matters varies as it does in practice:

    logit = level[class] + image + cell + seed + (seed x cell) + (image x cell) + (image x seed x cell)

"image" (hard images) is common to all cells, "seed" to all cells of one seed, so that pairing has something to cancel;
"image x cell" is what makes one network better on some images than on others, the image part of a comparison.
Pixels that are not found go to the background and to a neighbouring class. The truth is computed, not assumed: the
mean IOU of very many images, averaged over the distribution of seeds.

Axes: matrices (K, n, N, C, C): cell, seed, image, truth, prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from repro.judge.bounded import share
from repro.judge.claims import judge
from repro.judge.evidence import gather
from repro.judge.intervals import Estimate, bootstrap_miou, estimate, resample_images, t_quantile
from repro.metrics import Floats, miou
from repro.spec.claim import Claim
from repro.spec.table import Cell


@dataclass(frozen=True)
class World:
    """How scores come about; deviations are in logits. The defaults give cells near 0.6 with a seed noise of about one
    point and an image noise of about two, as small networks on 100 small images have."""

    cells: tuple[float, ...] = (0.0, 0.0)
    """Level of each cell: 0.1 is worth about 1.7 points."""
    images: int = 100
    classes: int = 6
    objects: int = 2
    """Classes beside the background in each image."""
    image: float = 0.9
    seed: float = 0.05
    seed_cell: float = 0.05
    image_cell: float = 0.3
    image_seed_cell: float = 0.5
    skewed: bool = False
    """Whether "seed x cell" has a long tail downwards (an exponential), as where a training now and then goes wrong."""

    def _seed_cell(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Return deviations (shape) of mean 0 and standard deviation `seed_cell`."""
        draws = 1 - rng.exponential(size=shape) if self.skewed else rng.normal(size=shape)
        return np.asarray(self.seed_cell * draws)

    def _seed_quantiles(self, nodes: int) -> Floats:
        """Return equally likely quantiles (nodes,) of "seed" + "seed x cell"."""
        places = (np.arange(nodes) + 0.5) / nodes
        if not self.skewed:
            own = np.sqrt(self.seed**2 + self.seed_cell**2)
            return np.array([own * t_quantile(p, np.inf) for p in places.tolist()])
        if self.seed:
            raise ValueError("a skewed world has no common seed effect: their sum has no simple quantiles")
        return np.asarray(self.seed_cell * (1 + np.log(places)))

    def truth_counts(self, images: int, rng: np.random.Generator) -> Floats:
        """Return pixels (images, C) of each class: background everywhere, objects of very different size."""
        counts = np.zeros((images, self.classes))
        counts[:, 0] = rng.integers(6000, 12000, size=images)
        order = rng.random((images, self.classes - 1)).argsort(axis=1)[:, : self.objects] + 1
        np.put_along_axis(counts, order, np.exp(rng.normal(6.5, 0.8, size=order.shape)), axis=1)
        return np.rint(counts)

    def _levels(self) -> Floats:
        """Return level (C,): the background is easy, classes differ."""
        return np.concatenate([[3.0], np.linspace(0.6, 1.8, self.classes - 1)])

    def _matrices(self, truth: Floats, logits: Floats) -> NDArray[np.int64]:
        """Return counts (..., N, C, C) of logits (..., N, C)."""
        correct = np.rint(truth / (1 + np.exp(-logits)))
        missed = truth - correct
        to_background = np.rint(0.6 * missed)
        to_background[..., 0] = 0
        out = np.zeros((*logits.shape, self.classes), dtype=np.int64)
        index = np.arange(self.classes)
        neighbour = np.where(index == 0, 1, index % (self.classes - 1) + 1)
        out[..., index, index] = correct
        out[..., index, 0] += to_background.astype(np.int64)
        out[..., index, neighbour] += (missed - to_background).astype(np.int64)
        return out

    def measure(self, seeds: int, rng: np.random.Generator, elsewhere: float | None = None) -> NDArray[np.int64]:
        """Return per-image confusion matrices (K, n, N, C, C) of one experiment.

        With `elsewhere` (K, n + 1, N, C, C): the first seed comes once more, last, on another machine or with another
        version, which adds to each cell's logits a deviation of that size.
        """
        cells, images, classes = len(self.cells), self.images, self.classes
        logits = self._levels() + np.array(self.cells)[:, None, None, None]
        logits = logits + self.image * rng.normal(size=(images, classes))
        logits = logits + self.seed * rng.normal(size=(seeds, 1, 1))
        logits = logits + self._seed_cell((cells, seeds, 1, 1), rng)
        logits = logits + self.image_cell * rng.normal(size=(cells, 1, images, classes))
        logits = logits + self.image_seed_cell * rng.normal(size=(cells, seeds, images, classes))
        counts = self.truth_counts(images, rng)
        if elsewhere is not None:
            moved = logits[:, :1] + elsewhere * rng.normal(size=(cells, 1, 1, 1))
            logits = np.concatenate([logits, moved], axis=1)
        return self._matrices(counts, logits)

    def truth(self, rng: np.random.Generator, nodes: int = 33) -> Floats:
        """Return the true mean IOU (K,) of each cell: very many images, seeds at equally likely quantiles."""
        images = 200 * self.images  # so that the truth is 14 times sharper than one experiment
        noise = np.sqrt(self.image**2 + self.image_cell**2 + self.image_seed_cell**2)
        counts = self.truth_counts(images, rng)
        base = self._levels() + noise * rng.normal(size=(images, self.classes))
        scores = [
            [float(miou(self._matrices(counts, base + cell + q).sum(axis=0))) for q in self._seed_quantiles(nodes)]
            for cell in self.cells
        ]
        return np.asarray(np.mean(scores, axis=1))


@dataclass(frozen=True)
class Coverage:
    """How often the 95 % interval held the truth, over so many experiments."""

    experiments: int
    cell: float
    """Of the first cell's mean over seeds."""
    difference: float
    """Of the paired difference of the last and the first cell."""
    cell_seeds_only: float
    """Of an interval that leaves the images out."""
    width: float
    """Mean width of the difference's interval, in points."""

    @property
    def simulation_error(self) -> float:
        """Standard error of a coverage near 0.95."""
        return float(np.sqrt(0.95 * 0.05 / self.experiments))


def coverage(world: World, seeds: int, experiments: int, rng: np.random.Generator, replicates: int = 400) -> Coverage:
    """Return how often intervals hold the truth. One seed: intervals of images only, for a world without seed noise."""
    truth = world.truth(rng)
    hits = np.zeros(3)
    width = 0.0
    for _ in range(experiments):
        matrices = world.measure(seeds, rng)
        scores = miou(matrices.sum(axis=2))  # (K, n)
        weights = resample_images(world.images, replicates, rng)
        rows = np.array([[bootstrap_miou(m, weights) for m in of_cell] for of_cell in matrices])  # (K, n, B)
        cell = share(scores[0], rows[0], world.images)
        difference = estimate(scores[-1] - scores[0], rows[-1] - rows[0], world.images)
        hits += [
            _holds(cell, truth[0]),
            _holds(difference, truth[-1] - truth[0]),
            seeds > 1 and _holds(share(scores[0]), truth[0]),
        ]
        width += 100 * (difference.high - difference.low)
    of_cell, of_difference, of_seeds_only = (hits / experiments).tolist()
    return Coverage(experiments, of_cell, of_difference, of_seeds_only, width / experiments)


def _holds(interval: Estimate, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def table_of(cells: int) -> tuple[Cell, ...]:
    """Return a made-up table with so many measured cells in one row."""
    return tuple(
        Cell("made/up", 0, k, "mIOU", f"net {k}", "miou", "measured", {"model.width": k}, 50.0 + k, 2, f"made/up/{k}")
        for k in range(cells)
    )


def greater(left: int, right: int) -> Claim:
    """Return the claim that one cell of `table_of` is above another."""
    return Claim(
        id=f"made.{left}.{right}", text=f"net {left} beats net {right}", kind="greater",
        left={"width": left}, right={"width": right},
    )  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """Shares of verdicts over many experiments."""

    experiments: int
    supported: float
    """Share of all claims."""
    contradicted: float
    any_wrong: float
    """Share of experiments with at least one wrong verdict."""
    false_discovery: float
    """Mean share of wrong ones among the verdicts "supported" and "contradicted"; 0 where there was none."""
    right: float = 0.0
    """Share of the claims with a sign that got the verdict it calls for; 0 where there is none."""


def verdicts(
    world: World, claims: Sequence[Claim], signs: Sequence[int], seeds: int, experiments: int, rng: np.random.Generator,
    replicates: int = 200,
) -> Rates:  # fmt: skip
    """Return what the judge says of a table of claims about a world.

    `signs`: 1 where a claim is true, -1 where the opposite is, 0 where there is no difference. "supported" is wrong
    unless the sign is 1, "contradicted" unless it is -1.
    """
    cells = table_of(len(world.cells))
    right = {"supported": 1, "contradicted": -1}
    counts = dict.fromkeys(right, 0)
    any_wrong, wrong_share, hits = 0, 0.0, 0
    for experiment in range(experiments):
        matrices = world.measure(seeds, rng)
        scores = miou(matrices.sum(axis=2))
        keys = [(cell.id, s) for cell in cells for s in range(seeds)]
        values = dict(zip(keys, scores.ravel().tolist(), strict=True))
        stored = dict(zip(keys, matrices.reshape(-1, *matrices.shape[2:]), strict=True))
        evidence = gather(values, matrices=stored, seed=experiment, replicates=replicates)
        verdicts_ = [result.verdict for result in judge([(claim, cells) for claim in claims], evidence)]
        wrong = [right[v] != sign for v, sign in zip(verdicts_, signs, strict=True) if v in right]
        for verdict in right:
            counts[verdict] += sum(v == verdict for v in verdicts_)
        hits += sum(right.get(v) == sign for v, sign in zip(verdicts_, signs, strict=True))
        any_wrong += any(wrong)
        wrong_share += sum(wrong) / len(wrong) if wrong else 0.0
    total, signed = experiments * len(claims), experiments * sum(sign != 0 for sign in signs)
    return Rates(
        experiments, counts["supported"] / total, counts["contradicted"] / total,
        any_wrong / experiments, wrong_share / experiments, hits / signed if signed else 0.0,
    )  # fmt: skip


def without_seed_noise(world: World) -> World:
    """Return the world in which every seed gives the same network."""
    return replace(world, seed=0.0, seed_cell=0.0, image_seed_cell=0.0)
