"""A claim as questions to numbers: which differences of cells must lie in which range.

Every kind of claim comes down to the same form. A *contrast* is a difference between two cells (left - right), or a
difference of two such gains. Contrasts become *effects*, each with the range that the claim gives it, and a claim holds
if all of its effects lie in their ranges. Which these are, each kind says (`repro.spec.claim_kinds`).

With `over = "every"` each contrast is an effect by itself. With `over = "mean"` those that ask the same thing at
another place of the table, at another block or backbone, are averaged into one: all pairs, or each step over its lines,
or each place over its curves. A claim that makes one comparison has nothing to be "over".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from repro.errors import InputError
from repro.spec.cell import Basis
from repro.spec.claim import Claim
from repro.spec.claim_kinds import KINDS
from repro.spec.claim_kinds.kind import Alternatives
from repro.spec.claim_kinds.kind import Contrast as Contrast
from repro.spec.claim_kinds.kind import Effect as Effect
from repro.spec.metric import METRICS, find_metric
from repro.spec.naming import printed
from repro.spec.select import select
from repro.spec.table import Cell


def mean_contrast(effect: Effect) -> Contrast:
    """Return the mean of an effect's contrasts as one weighted sum of cells."""
    weights: dict[str, float] = {}
    for contrast in effect.contrasts:
        for cell, weight in contrast.weights:
            weights[cell] = weights.get(cell, 0.0) + weight / len(effect.contrasts)
    return Contrast(effect.label, tuple(weights.items()))


@dataclass(frozen=True)
class Question:
    """What a claim asks of numbers."""

    claim: Claim
    cells: tuple[Cell, ...]
    """All cells that its contrasts use, in the table's order."""
    alternatives: Alternatives
    """The claim holds if all effects of one alternative lie in their ranges. Nearly always there is one alternative."""
    logarithmic: bool
    """Contrasts are of logarithms of cells: their exponential is a ratio."""
    strict: bool
    """An end of a range does not belong to it: two equal numbers are not one "better"."""
    unit: str
    """Of effects in print: "points" for shares, "x" for a ratio, else the metric's printed unit."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects of all alternatives."""
        return tuple(effect for alternative in self.alternatives for effect in alternative)


def basis(claim: Claim, cells: Iterable[Cell]) -> Basis:
    """Return what decides a claim. `cells` and what it raises as in `question`."""
    if claim.kind == "text" or claim.why:
        return "printed"
    kinds = {cell.kind for cell in question(claim, cells).cells}
    return "printed" if "quoted" in kinds else "measured" if "measured" in kinds else "computed"


def question(claim: Claim, cells: Iterable[Cell]) -> Question:
    """Return what a claim asks.

    `cells` are those the claim may speak of: its metric, its tables (`Suite.cells_of`). Raises InputError if a selector
    picks nothing, no two cells pair, `over` is missing or means nothing, or the claim is a text; KeyError if a cell
    lacks `along`.
    """
    kind = KINDS[claim.kind]
    if kind.effects is None:
        raise InputError(f"claim {claim.id}: a text asks nothing of numbers: {claim.why}")
    pool = select(cells, claim.where)
    alternatives = kind.effects(claim, pool, labels(pool))
    _check_over(claim, alternatives)
    if claim.over != "mean":
        alternatives = tuple(tuple(single for effect in a for single in _single(effect)) for a in alternatives)
    used = {cell for a in alternatives for e in a for c in e.contrasts for cell, _ in c.weights}
    unit = "x" if kind.logarithmic else find_metric(claim.metric).difference_unit
    return Question(
        claim, tuple(c for c in pool if c.id in used), alternatives,
        logarithmic=kind.logarithmic, strict=kind.strict, unit=unit,
    )  # fmt: skip


def _check_over(claim: Claim, alternatives: Sequence[Sequence[Effect]]) -> None:
    """Raise InputError where a claim of several comparisons lacks `over`, or where what it says means nothing."""
    effects = [effect for a in alternatives for effect in a]
    contrasts = [contrast for effect in effects for contrast in effect.contrasts]
    averages = any(len(effect.contrasts) > 1 for effect in effects)
    if claim.over is None and len(contrasts) > 1:
        labels = "; ".join(c.label for c in contrasts[:2]) + ("; ..." if len(contrasts) > 2 else "")
        mean = ', or over = "mean" if their mean must' if averages else ""
        raise InputError(
            f"claim {claim.id}: it makes {len(contrasts)} comparisons ({labels}) and lacks `over`. "
            f'Write over = "every" if each of them must bear it out{mean}.'
        )
    if claim.over is not None and len(contrasts) == 1:
        raise InputError(f"claim {claim.id}: over: it makes one comparison, {contrasts[0].label}. Remove `over`.")
    if claim.over == "mean" and not averages:
        raise InputError(
            f"claim {claim.id}: over: its {len(effects)} comparisons ask different things: "
            '"mean" would average nothing. Write over = "every".'
        )


def _single(effect: Effect) -> tuple[Effect, ...]:
    """Return an effect's contrasts as effects of their own."""
    if len(effect.contrasts) == 1:
        return (effect,)
    return tuple(Effect(c.label, (c,), effect.low, effect.high) for c in effect.contrasts)


def labels(cells: Sequence[Cell]) -> dict[str, str]:
    """Return cell id -> the shortest label that tells these cells apart: of table, row and column only what varies."""
    parts = [(c.table, printed(c, c.row_label), printed(c, c.column_label)) for c in cells]
    varies = [len({p[k] for p in parts}) > 1 for k in range(3)]
    titles = {m.title for m in METRICS.values()} | {find_metric(c.metric).title for c in cells}
    out = {}
    for cell, part in zip(cells, parts, strict=True):
        texts = [text for text, keep in zip(part, varies, strict=True) if keep and text not in titles]
        out[cell.id] = ", ".join(texts) or cell.row_label
    return out
