"""Verdicts: a paper's claims tested on our measurements.

Each effect of a claim (see `repro.spec.questions`) is estimated from values paired by seed and by image: the contrast
is formed for each seed, and for each resampled set of images, before anything is averaged. What two networks share, a
hard image or a lucky order of the training data, cancels. Seeds and images both count as noise, because the paper's
sentence is meant for other trainings and other images; their parts add as in `repro.judge.intervals`. Where no
per-image matrices are stored, seeds alone count, and the result says so. One seed shows no noise of seeds: it is taken
from reference runs of the same protocol (`repro.judge.borrowed`), where there are some.

What is tested is what the claim's `over` says. Of "every" comparison the weakest decides: in favour counts the largest
probability (an intersection-union test needs no correction, Berger 1982), against it the smallest times their number
(Bonferroni). Of a "mean" over pairs (over blocks, over backbones) the mean is tested, once; whether the pairs differ by
more than noise is tested beside it (`repro.judge.heterogeneity`), and if so the verdict says "on average" and where it
comes from. Intervals are those of the test (`repro.judge.simultaneous`).

| verdict | when |
| --- | --- |
| supported | every effect lies in its claimed range, q <= 0.05 |
| contradicted | one lies outside, q <= 0.05 |
| supported, contradicted on average | the same of a mean whose pairs differ by more than noise |
| inconclusive | neither; or one seed only, and no reference runs to take its noise from; or a cell has collapsed |
| not run | a cell is missing, two are one measurement, or nothing measured can decide the claim (`testable` is false) |

q is the probability corrected for the number of the table's claims that were judged (Benjamini and Hochberg).
Computed cells have no noise: their claims are decided exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from repro.judge.effects import borrowed_seeds, part_of
from repro.judge.evidence import Evidence
from repro.judge.published import VOC_VAL, audit
from repro.judge.result import ALPHA, ClaimResult, EffectResult, Verdict
from repro.judge.significance import false_discovery, two_sided
from repro.judge.simultaneous import common_level, with_intervals
from repro.judge.wording import qualifier, sentence
from repro.spec.claim import Claim
from repro.spec.questions import question
from repro.spec.table import Cell


def judge(
    claims: Iterable[tuple[Claim, Sequence[Cell]]], evidence: Evidence, published_images: int = VOC_VAL
) -> tuple[ClaimResult, ...]:
    """Judge the claims of one table together: their q values depend on each other.

    Each claim comes with the cells it may speak of (`Suite.cells_of`). `published_images`: size of the paper's
    validation set, for the audit. Raises InputError for a claim whose selectors pick nothing.
    """
    results = [_measured(claim, cells, evidence, published_images) for claim, cells in claims]
    tested = [k for k, result in enumerate(results) if result.p is not None]
    p = [p for p in (results[k].p for k in tested) if p is not None]
    for k, q in zip(tested, false_discovery(p), strict=True):
        corrected = replace(results[k], q=float(q), tests=len(tested))
        results[k] = with_intervals(corrected, common_level(p))
    results = [replace(result, verdict=_verdict(result)) for result in results]
    judged = [replace(result, qualifier=qualifier(result)) for result in results]
    return tuple(replace(result, sentence=sentence(result)) for result in judged)


def _measured(claim: Claim, cells: Sequence[Cell], evidence: Evidence, published_images: int) -> ClaimResult:
    """Everything but q, verdict and sentence."""
    published = audit(claim, cells, published_images)
    result = ClaimResult(claim.id, claim.text, claim.kind, claim.metric, published, claim.over, why=claim.why)
    if claim.kind == "text":
        return replace(result, testable=False)
    question_ = question(claim, cells)
    result = replace(result, unit=question_.unit)
    if any(cell.kind == "quoted" for cell in question_.cells):
        why = claim.why or "it compares with a number that this suite quotes and cannot measure."
        return replace(result, testable=False, why=why)
    if claim.why:
        return replace(result, testable=False)
    computed = all(cell.kind == "computed" for cell in question_.cells)
    ids = [cell.id for cell in question_.cells]
    known = set(evidence.computed) if computed else {cell for cell, _ in evidence.values}
    missing = tuple(cell for cell in ids if cell not in known)
    seeds = () if computed else evidence.seeds(ids)
    if missing or not (computed or seeds):
        return replace(result, missing=missing)
    if not computed and (same := evidence.same(ids)):
        return replace(result, same=same)
    borrowed = borrowed_seeds(question_, evidence, seeds)
    alternatives = [
        [part_of(effect, question_, evidence, seeds, k, borrowed) for effect in effects]
        for k, effects in enumerate(question_.alternatives)
    ]
    sources = dict.fromkeys(evidence.reference[cell].source for cell in ids if borrowed)
    combined = _combined(replace(result, seeds=seeds, reference="; ".join(sources)), alternatives)
    if collapsed := tuple(evidence.collapsed[cell] for cell in ids if cell in evidence.collapsed):
        return replace(combined, collapsed=collapsed, p=None, p_for=None, p_against=None)
    return combined


def _combined(result: ClaimResult, alternatives: list[list[EffectResult]]) -> ClaimResult:
    """Join the parts' probabilities; the part that decides is the weakest of the alternative that does best."""
    tested = len(result.seeds) != 1 or bool(result.reference)
    weakest = [max(parts, key=_weakness) for parts in alternatives]
    best = min(range(len(alternatives)), key=lambda k: _weakness(weakest[k]))
    parts = tuple(part for a in alternatives for part in a)
    decisive = next(k for k, part in enumerate(parts) if part is weakest[best])
    result = replace(result, parts=parts, decisive=decisive)
    if not tested:
        return result
    p_for = min(1.0, len(alternatives) * weakest[best].p_inside)
    p_against = max(min(1.0, len(a) * min(part.p_outside for part in a)) for a in alternatives)
    p = two_sided(p_for, p_against) if result.seeds else None
    return replace(result, p_for=p_for, p_against=p_against, p=p)


def _weakness(part: EffectResult) -> tuple[float, float]:
    """How badly a part does for its claim: by its test, or with one seed (no test) by how far it is from the range."""
    outside = max(part.low - part.estimate.value, part.estimate.value - part.high)
    return (0.0 if part.p_inside != part.p_inside else part.p_inside, outside)


def _verdict(result: ClaimResult) -> Verdict:
    if not result.parts:
        return "not run"
    if result.p_for is None or result.p_against is None:
        return "inconclusive"
    if result.seeds and (result.q is None or result.q > ALPHA):
        return "inconclusive"
    if result.p_against < result.p_for:
        return "contradicted" if result.differences is None else "contradicted on average"
    return "supported" if result.differences is None else "supported on average"
