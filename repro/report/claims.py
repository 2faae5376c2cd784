"""Claims as a reader meets them: in the table's order, with one line of counts."""

from __future__ import annotations

from collections.abc import Sequence

from repro.judge.result import ClaimResult, Verdict
from repro.judge.scorecard import said, scorecard
from repro.judge.wording import percent
from repro.report.legend import VERDICTS


def verdict_counts(claims: Sequence[ClaimResult]) -> tuple[tuple[Verdict, int], ...]:
    """Return the verdicts that occur, each with its number of claims, in the order of VERDICTS."""
    counted = [(verdict, sum(claim.verdict == verdict for claim in claims)) for verdict in VERDICTS]
    return tuple((verdict, n) for verdict, n in counted if n)


def claims_line(claims: Sequence[ClaimResult]) -> str:
    """Return how the claims fared and by which rule, in words."""
    card = scorecard(claims)
    fared = {
        "measured": said(card.measured),
        "computed from the architecture": said(card.computed),
        "printed numbers alone": f"{card.printed} that nothing here decides" if card.printed else "",
    }
    told = "; ".join(f"{basis}: {counts}" for basis, counts in fared.items() if counts)
    level = next((claim.level for claim in claims if claim.level is not None), None)
    intervals = (
        ""
        if level is None
        else f" Intervals are those of the tests ({percent(level)} here, and wider towards the claim for the worst of "
        "several): they lie inside the claimed range where a claim is supported, outside where it is contradicted, and "
        "of those the same 5 % are expected to miss."
    )
    return (
        f"What the paper concludes from this table, by what decides it: {told}. Differences are paired by seed and by "
        "validation image; the probabilities are corrected so that at most 5 % of the verdicts “supported” and "
        f"“contradicted” are expected to be false.{intervals} “As printed” speaks of the paper's own numbers; of "
        "these, “clear of noise” are differences larger than two single runs show by chance."
    )
