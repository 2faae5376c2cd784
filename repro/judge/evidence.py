"""What was measured, in the form the judge needs: values by cell and seed, bootstrap replicates on shared images.

A measured value belongs to (cell id, seed). Its replicates (B,) are that value on B resampled sets of images. Cells
with the same number of images share the resampled sets, so column b of two cells is the same set of images wherever
the cells were measured on the same images in the same order, which is how one data set is always stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from repro.judge.bounded import share
from repro.judge.intervals import (
    REPLICATES,
    Estimate,
    bootstrap,
    bootstrap_image_mean,
    estimate,
    exact,
    resample_images,
)
from repro.judge.reference import LEAST_SEEDS, ReferenceRuns
from repro.metrics import Floats
from repro.randomness import generator
from repro.spec.metric import MIOU, Metric

Key = tuple[str, int]
"""(cell id, seed)."""


@dataclass(frozen=True)
class Evidence:
    """Everything a table's claims are judged on; values in their internal unit, shares in [0, 1]."""

    values: Mapping[Key, float]
    computed: Mapping[str, float] = field(default_factory=dict)
    """Cell id -> value of a cell without noise."""
    replicates: Mapping[Key, Floats] = field(default_factory=dict)
    """(B,) each; the same B for all."""
    images: Mapping[Key, int] = field(default_factory=dict)
    """Validation images behind each entry of `replicates`."""
    measured_by: Mapping[str, str] = field(default_factory=dict)
    """Cell id -> the measurement it stands for. Two cells with the same one are not two: a setting by which they differ
    in the paper was given one value for both."""

    totals: Mapping[Key, NDArray[np.int64]] = field(default_factory=dict)
    """(C, C) counts of the whole set, [ground truth, prediction], of each entry of `replicates`."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """Cell id -> its metric, where that is not mean IOU."""
    collapsed: Mapping[str, str] = field(default_factory=dict)
    """Cell id -> why its score says nothing, as a sentence's subject and end ("block4 answers ..."): it decides no
    claim."""
    reference: Mapping[str, ReferenceRuns] = field(default_factory=dict)
    """Cell id -> reference runs, where there are some that its score is like; used where it has one seed."""
    unlike: Mapping[str, str] = field(default_factory=dict)
    """Cell id -> source of reference runs that its score is not like: they are not used."""

    def reference_seeds(self, cells: Sequence[str]) -> tuple[int, ...]:
        """Return the seeds that reference runs of all of these cells have; none where they are too few."""
        known = [set(self.reference[cell].scores) if cell in self.reference else set() for cell in cells]
        common = tuple(sorted(set.intersection(*known))) if known else ()
        return common if len(common) >= LEAST_SEEDS else ()

    def seeds(self, cells: Sequence[str]) -> tuple[int, ...]:
        """Return the seeds that every one of these cells was measured with, in order."""
        of_cell: dict[str, set[int]] = {cell: set() for cell in cells}
        for cell, seed in self.values:
            if cell in of_cell:
                of_cell[cell].add(seed)
        return tuple(sorted(set.intersection(*of_cell.values()))) if of_cell else ()

    def same(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Return the first of these cells that stand for one measurement; empty where each has its own."""
        seen: dict[str, list[str]] = {}
        for cell in dict.fromkeys(cells):
            if cell in self.measured_by:
                seen.setdefault(self.measured_by[cell], []).append(cell)
        return next((tuple(alike) for alike in seen.values() if len(alike) > 1), ())

    def has_replicates(self, cells: Sequence[str], seeds: Sequence[int]) -> bool:
        """Say whether all of these measurements have replicates."""
        return all((cell, seed) in self.replicates for cell in cells for seed in seeds)


def gather(
    values: Mapping[Key, float],
    computed: Mapping[str, float] | None = None,
    matrices: Mapping[Key, NDArray[np.integer]] | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    image_means: Collection[Key] = (),
    metrics: Mapping[str, Metric] | None = None,
) -> Evidence:
    """Resample the images of all measurements and return the evidence.

    `matrices`: per-image confusion counts (N, C, C), [image, truth, prediction], each read once (a mapping that reads
    them from disk when asked is welcome). The resampled images depend on `seed` and N only. `image_means`: the
    measurements whose value is the mean over images of their own. `metrics`: as in the evidence.
    """
    weights: dict[int, Floats] = {}
    drawn: dict[Key, Floats] = {}
    images: dict[Key, int] = {}
    totals: dict[Key, NDArray[np.int64]] = {}
    for key in matrices or {}:
        if key not in values or matrices is None:
            continue
        counts = matrices[key]
        n, totals[key] = len(counts), counts.sum(axis=0, dtype=np.int64)
        if n not in weights:
            weights[n] = resample_images(n, replicates, generator(seed, "resampled images", n))
        draw = bootstrap_image_mean if key in image_means else bootstrap
        drawn[key], images[key] = draw((metrics or {}).get(key[0], MIOU), counts, weights[n]), n
    return Evidence(dict(values), dict(computed or {}), drawn, images, totals=totals, metrics=metrics or {})


def cell_estimate(cell: str, evidence: Evidence) -> Estimate | None:
    """Return a cell's mean over its seeds with interval, in its internal unit; None if there is no value.

    The interval of a share lies in [0, 1].
    """
    if cell in evidence.computed:
        return exact(evidence.computed[cell])
    seeds = evidence.seeds([cell])
    if not seeds:
        return None
    scores = np.array([evidence.values[cell, seed] for seed in seeds])
    estimated = share if evidence.metrics.get(cell, MIOU).is_share else estimate
    if not evidence.has_replicates([cell], seeds):
        return estimated(scores)
    rows = np.stack([evidence.replicates[cell, seed] for seed in seeds])
    return estimated(scores, rows, min(evidence.images[cell, seed] for seed in seeds))
