"""The section of claims: a row for each that opens to what its verdict rests on."""

from __future__ import annotations

from typing import Any

from repro.judge.result import ClaimResult
from repro.report.blocks import Block, CommandLine, DataTable, Fold, Paragraph, Part, Section
from repro.report.charts.canvas import NARROW
from repro.report.charts.claim_effects import common_scales, evidence_plot, strip, strip_axis
from repro.report.claims import claims_line, effect_text, explanation, how_decided, numbers, ordered, verdict_counts
from repro.report.content import ReportContent
from repro.report.legend import VERDICTS
from repro.report.number_format import NONE, probability, span
from repro.report.sentences import more_seeds

BASES = {"measured": "", "computed": "computed", "printed": "printed only"}
"""What decides a claim -> what stands beside its verdict."""
SHOWN, FEW = 10, 4
"""Rows of claims that a page shows at once, and how many more are too few to be folded."""
HYPOTHESIS = "Hypothesis"
"""What a claim is called in a table of the user's own."""


def claims_section(content: ReportContent) -> Section:
    """Return the section of a table's claims, by verdict and certainty."""
    blocks: list[Block] = [
        Part("sections/claims.html.j2", lambda: _page(content), _text(content)),
        Fold("How verdicts are reached", (Paragraph(how_decided(content.claims), small=True),)),
    ]
    more = more_seeds(content)
    if more is not None:
        blocks += [Paragraph(more["why"]), CommandLine(more["command"])]
    title = "Hypotheses" if content.table.kind == "own" else "Claims"
    return Section("claims", title, claims_line(content.table, content.claims), tuple(blocks), folded=False)


def _page(content: ReportContent) -> dict[str, Any]:
    """What the page's own template prints; charts are drawn here."""
    from markupsafe import Markup

    scales = common_scales(content.claims)
    rows = [
        {
            "id": claim.id,
            "verdict": claim.verdict,
            "qualifier": claim.qualifier,
            "basis": BASES[claim.basis],
            "text": claim.text,
            "effect": "" if claim.effect is None else effect_text(claim.effect.value, claim.unit),
            "strip": Markup(strip(claim, scales[claim.unit])) if claim.parts else "",
            "explanation": explanation(claim),
            "numbers": numbers(claim),
            "evidence": Markup(evidence_plot(claim, NARROW)),
        }
        for claim in ordered(content.claims)
    ]
    return {
        "claims": rows,
        "shown": SHOWN if len(rows) > SHOWN + FEW else len(rows),
        "verdict_counts": verdict_counts(content.claims),
        "verdicts": VERDICTS,
        "name": HYPOTHESIS if content.table.kind == "own" else "Claim",
        "published": any(claim.published_effect is not None for claim in content.claims),
        "axis": Markup(strip_axis(scales["points"], "points")) if "points" in scales else "",
    }


def _published(claim: ClaimResult) -> tuple[str, str]:
    return effect_text(claim.published_effect, claim.published.unit), claim.published.status


def _text(content: ReportContent) -> tuple[Block, ...]:
    """The same as a table, and the numbers behind it on demand."""
    printed = any(claim.published_effect is not None or not claim.testable for claim in content.claims)
    head: tuple[str, ...] = (
        HYPOTHESIS if content.table.kind == "own" else "Claim",
        "Verdict",
        "Ours",
        "Interval",
        "Probability",
    )
    head += ("Published", "As printed") if printed else ()
    body, details = [], []
    for claim in ordered(content.claims):
        effect, ends = claim.effect, claim.shown_interval
        body.append(
            (
                f"{claim.text} ({claim.id})",
                f"{VERDICTS[claim.verdict].symbol} {claim.qualified_verdict}",
                NONE if effect is None else effect_text(effect.value, claim.unit),
                span(*ends) if ends else NONE,
                probability(claim.q),
                *(_published(claim) if printed else ()),
            )
        )
        summary = "; ".join(f"{name}: {value}" for name, value in numbers(claim))
        details.append(Paragraph(f"{claim.id}: {explanation(claim)} {summary}.".replace("  ", " ")))
    return (
        DataTable("claims", head, tuple(body), (2, 3, 4, 5) if printed else (2, 3, 4)),
        Fold("What each verdict rests on", tuple(details)),
    )
