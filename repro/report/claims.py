"""Claims as a reader meets them: by verdict and size, each with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from repro.judge.result import ALPHA, ClaimResult, Differences, Verdict
from repro.judge.scorecard import VERDICTS, counted, scorecard
from repro.judge.wording import number, percent, reason, seeds_of
from repro.report.content import TableHead
from repro.report.findings import certainty
from repro.report.number_format import NONE, dof, fixed, probability, signed, span

SAYS = {
    "paper": "What the paper concludes from this table",
    "pitfalls": "What each mistake should do to the score",
    "implementations": "What implementations do",
    "own": "What you expect of this table",
}
"""Kind of table -> what its claims are."""


def ordered(claims: Sequence[ClaimResult]) -> list[ClaimResult]:
    """Return claims by verdict, then by certainty and size."""
    return sorted(claims, key=lambda claim: (VERDICTS.index(claim.verdict), *certainty(claim)))


def verdict_counts(claims: Sequence[ClaimResult]) -> tuple[tuple[Verdict, int], ...]:
    """Return the verdicts that occur, each with its number of claims, in the order of VERDICTS."""
    numbers_of = [(verdict, sum(claim.verdict == verdict for claim in claims)) for verdict in VERDICTS]
    return tuple((verdict, n) for verdict, n in numbers_of if n)


def claims_line(table: TableHead, claims: Sequence[ClaimResult]) -> str:
    """Return how the claims of a table came out, in words."""
    card = scorecard(claims)
    parts = [f"{counted(card.measured)} (decided by measurements)"] if card.measured else []
    parts += [f"{counted(card.computed)} (computed from the architecture)"] if card.computed else []
    parts += [f"{card.printed} resting on printed numbers alone"] if card.printed else []
    counts = "; ".join(parts)
    return f"{SAYS[table.kind]}: {counts}."


def how_decided(claims: Sequence[ClaimResult]) -> str:
    """Return by which rules verdicts are reached, and what the intervals are."""
    level = next((claim.level for claim in claims if claim.level is not None), None)
    intervals = (
        ""
        if level is None
        else f" Intervals are those of the tests ({percent(level)} here, and wider towards the claim for the worst of "
        "several): they lie inside the claimed range where a claim is supported, outside where it is contradicted, and "
        "of those the same 5 % are expected to miss."
    )
    return (
        "Differences are paired by seed and by validation image. Probabilities are corrected so that at most 5 % of "
        f"the verdicts “supported” and “contradicted” are expected to be false.{intervals}"
    ) + (
        " “As printed” speaks of the paper's own numbers; of these, “clear of noise” are differences larger than two "
        "single runs show by chance."
        if any(claim.published_effect is not None for claim in claims)
        else ""
    )


def effect_text(value: float | None, unit: str) -> str:
    """Return an effect with sign and unit: "+0.42 points", "1.08 x"."""
    if value is None or math.isnan(value):
        return NONE
    return f"{fixed(value)} ×" if unit == "x" else f"{signed(value)} {unit}"


def explanation(claim: ClaimResult) -> str:
    """Return what numbers do not say of a verdict: why there is none, or what leaves it open."""
    if claim.effect is None or claim.collapsed or not claim.testable:
        return claim.sentence
    if claim.verdict == "inconclusive" and claim.interval is not None:
        return reason(claim)
    return "Computed, so there is no noise." if claim.effect.covers == "exact" else ""


def numbers(claim: ClaimResult) -> tuple[tuple[str, str], ...]:
    """Return what the reader needs to check a verdict, as (name, text) in order."""
    rows = [("Published", _printed(claim))] if claim.published_effect is not None or not claim.testable else []
    effect = claim.effect
    if effect is not None:
        text = effect_text(effect.value, claim.unit)
        ends = claim.shown_interval
        if ends is not None:
            text += f" ({span(*ends)})"
            if claim.interval is None:
                text += ", images only"
        part = claim.parts[claim.decisive]
        if len(claim.parts) > 1 or len(part.pairs) > 1:
            text += f"; {part.label}" + (f", the weakest of {len(claim.parts)}" if len(claim.parts) > 1 else "")
        level = ALPHA if claim.level is None else claim.level
        rows.append(("Ours" if ends is None else f"Ours ({percent(level)})", text))
    if claim.p is not None:
        rows.append(
            ("Probability", f"p {probability(claim.p)}, corrected for {claim.tests} claims: q {probability(claim.q)}")
        )
    if claim.differences is not None:
        rows.append(("Pairs", _apart(claim.differences, claim.unit)))
    if effect is not None and claim.seeds:
        degrees = dof(effect.dof)
        rests_on = f"{seeds_of(claim)}, {degrees} degree{'s' if degrees != '1' else ''} of freedom"
        rows.append(("Rests on", rests_on))
    if claim.missing:
        rows.append(("Missing", f"{len(claim.missing)} cell{'s' * (len(claim.missing) > 1)}"))
    return tuple(rows)


def _printed(claim: ClaimResult) -> str:
    """The paper's own number, whether it bears the claim out, and whether noise could have made it."""
    published, unit = claim.published, claim.published.unit
    status = {"holds": "holds as printed", "fails": "does not hold as printed"}.get(published.status, published.status)
    parts, value = [status], claim.published_effect
    if published.effect is not None and value is not None:
        parts = [effect_text(value, unit), status]
        if len(published.effects) > 1:
            own = "" if value == published.effect else f" {effect_text(published.effect, unit)}"
            parts.insert(1, f"weakest of {len(published.effects)}{own}")
    if published.clear is not None and published.effects:
        n = len(published.effects)
        parts.append(
            f"{published.clear} of {n} clear of noise"
            if n > 1
            else "clear of noise"
            if published.clear
            else "within noise"
        )
    return "; ".join(parts)


def _apart(differences: Differences, unit: str) -> str:
    """How far apart pairs are: where, with which probability if they were alike, and beyond noise."""
    size = f"a factor of {fixed(math.exp(differences.spread))}"
    if unit != "x":
        size = f"{fixed(differences.spread)} {unit}"
    strong, weak = differences.strong, differences.weak
    more = strong.label or f"{strong.pairs} of {strong.pairs + weak.pairs}"
    less = weak.label or f"{weak.pairs} other{'s' * (weak.pairs != 1)}"
    return (
        f"{number(strong.value, unit)} for {more}, {number(weak.value, unit)} for {less}; alike with p "
        f"{probability(differences.p)}; true effects vary by {size} (standard deviation)"
    )
