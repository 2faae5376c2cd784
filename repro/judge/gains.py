"""What each cell gains over the baseline that its table declares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from repro.judge.bounded import cut_off
from repro.judge.evidence import Evidence
from repro.judge.intervals import Estimate, estimate
from repro.spec.metric import MIOU


def gains(baselines: Mapping[str, str], evidence: Evidence) -> dict[str, Estimate]:
    """Return cell id -> its score less its baseline's, in the metric's internal unit, with a 95 % interval.

    `baselines`: cell id -> id of its baseline cell. Mean over the seeds that both have, paired by seed and, where both
    have replicates, by resampled image. Baseline cells, cells without a common seed, and those that share their
    baseline's measurement are left out.
    """
    gain_of = {}
    for cell, baseline in baselines.items():
        pair = [cell, baseline]
        seeds = evidence.seeds(pair)
        if cell == baseline or not seeds or evidence.same(pair):
            continue
        scores = np.array([evidence.values[cell, seed] - evidence.values[baseline, seed] for seed in seeds])
        if evidence.has_replicates(pair, seeds):
            rows = [evidence.replicates[cell, seed] - evidence.replicates[baseline, seed] for seed in seeds]
            images = min(evidence.images[cell_id, seed] for cell_id in pair for seed in seeds)
            effect = estimate(scores, np.stack(rows), images)
        else:
            effect = estimate(scores)
        gain_of[cell] = cut_off(effect, -1.0, 1.0) if evidence.metrics.get(cell, MIOU).is_share else effect
    return gain_of
