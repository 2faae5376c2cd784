"""How a table's claims fared, counted apart by what decides them.

A claim about multiply-adds holds before anything was trained, and says nothing of a network that was; one that compares
quoted results rests on the paper's numbers alone. Counted together they would vouch for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from repro.judge.result import ClaimResult, Verdict

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Scorecard:
    """Claims by verdict, of each basis."""

    measured: Mapping[Verdict, int] = field(default_factory=dict)
    """Verdict -> claims that measurements decide; those that occur, in order."""
    computed: Mapping[Verdict, int] = field(default_factory=dict)
    """The same of claims that figures of the architecture decide, without any measurement."""
    printed: int = 0
    """Claims that nothing here decides: texts, and comparisons with quoted results."""
    averages: Mapping[Verdict, tuple[str, ...]] = field(default_factory=dict)
    """Verdict "on average" -> each measured claim that has it, with where its mean comes from; see `sentences`."""

    @property
    def judged(self) -> int:
        """Claims that measurements decide."""
        return sum(n for verdict, n in self.measured.items() if verdict != "not run")


def scorecard(claims: Sequence[ClaimResult]) -> Scorecard:
    """Count the claims of a table."""
    counts = {
        basis: {
            verdict: n for verdict in VERDICTS if (n := sum(c.verdict == verdict for c in claims if c.basis == basis))
        }
        for basis in ("measured", "computed")
    }
    averages = {
        verdict: tuple(f"{c.id}, {c.qualifier}" for c in claims if c.basis == "measured" and c.verdict == verdict)
        for verdict in VERDICTS
        if verdict.endswith("on average")
    }
    return Scorecard(counts["measured"], counts["computed"], sum(c.basis == "printed" for c in claims), averages)


def counted(counts: Mapping[Verdict, int], verdicts: Sequence[Verdict] = VERDICTS) -> str:
    """Return "2 supported, 1 inconclusive": the verdicts that occur."""
    return ", ".join(f"{counts[v]} {v}" for v in verdicts if counts.get(v))


def sentences(card: Scorecard) -> list[str]:
    """Return a sentence for each basis that has claims; none for a table without any."""
    lines = []
    not_run = card.measured.get("not run", 0)
    if card.judged:
        supported, contradicted, inconclusive = (
            card.measured.get(v, 0) for v in ("supported", "contradicted", "inconclusive")
        )
        lines.append(
            f"Of {card.judged} measured {'claim' if card.judged == 1 else 'claims'}, {supported} "
            f"{'is' if supported == 1 else 'are'} supported, {_only(card, 'supported on average')}"
            f"{contradicted} contradicted, {_only(card, 'contradicted on average')}{inconclusive} inconclusive"
            + (f" ({not_run} not run)." if not_run else ".")
        )
    elif not_run:
        lines.append(f"None of {not_run} measurable {'claim' if not_run == 1 else 'claims'} has been run.")
    if card.computed:
        total = sum(card.computed.values())
        lines.append(
            f"Of {total} {'claim' if total == 1 else 'claims'} about computed figures: {counted(card.computed)}."
        )
    if card.printed:
        rests = "claim rests" if card.printed == 1 else "claims rest"
        lines.append(f"{card.printed} {rests} on printed numbers alone: nothing here decides that.")
    return lines


def _only(card: Scorecard, verdict: Verdict) -> str:
    """Return "1 supported on average only (v3.t3.c1, carried by block4), "; empty where there is none."""
    names = card.averages.get(verdict, ())
    return f"{len(names)} {verdict} only ({'; '.join(names)}), " if names else ""
