"""Noise of seeds borrowed from reference runs, for cells that were run with one seed.

A contrast of cells that was run once is off by its seeds' noise and by that of the images. Reference runs show the
first: their standard deviation s over m seeds of the same contrast, with m - 1 degrees of freedom, so that

    (contrast - truth) / s   follows Student's t with m - 1 degrees of freedom

where the run is one more draw of what the reference runs are draws of. It stays on the safe side where the run is one
of them (the same seed on the same machine: then s knows of it). Deviations are never pooled over contrasts: they
differ by a factor of ten within a table, and a mean of them would be too small for some.

Another machine or version may move scores by themselves. What moves a cell in every run alike is noise that s does not
know. Two things keep it small: a margin (`repro.studies.reference_runs` shows how much), and `misfit`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from repro.judge.evidence import Evidence
from repro.judge.intervals import t_quantile
from repro.judge.reference import LEAST_SEEDS, ReferenceRuns

MISFIT = 0.01
"""Probability with which any cell of a table is called unlike its reference runs though it is one more of them."""


def with_reference(evidence: Evidence, runs: Mapping[str, ReferenceRuns]) -> Evidence:
    """Return evidence that knows of reference runs, by cell id.

    Left out are runs with too few seeds, those of cells that have several seeds of their own, and those that a cell's
    score is unlike; `Evidence.unlike` names the last.
    """
    own: dict[str, list[float]] = {}
    for (cell, _), value in evidence.values.items():
        own.setdefault(cell, []).append(value)
    known = {
        cell: known_runs
        for cell, known_runs in runs.items()
        if len(known_runs.scores) >= LEAST_SEEDS and len(own.get(cell, ())) == 1
    }
    unlike = {
        cell: known_runs.source
        for cell, known_runs in known.items()
        if misfit(own[cell][0], [*known_runs.scores.values()], len(known))
    }
    fitting = {cell: known_runs for cell, known_runs in known.items() if cell not in unlike}
    return replace(evidence, reference=fitting, unlike=unlike)


def misfit(value: float, reference: Sequence[float], cells: int) -> bool:
    """Say whether a score is farther from those of reference runs than one more seed's would be.

    Student's t of one more run, tested for so many `cells`. Where all reference runs agree, any other score is.
    """
    seeds = len(reference)
    mean = sum(reference) / seeds
    spread = math.sqrt(sum((score - mean) ** 2 for score in reference) / (seeds - 1) * (1 + 1 / seeds))
    return abs(value - mean) > t_quantile(1 - MISFIT / 2 / cells, seeds - 1) * spread + 1e-9
