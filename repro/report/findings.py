"""What a report finds, in sentences with sizes, the most certain first: never more than was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repro.judge.result import ClaimResult, Verdict
from repro.judge.wording import SEEDS_FOR_JUDGING, number
from repro.report.number_format import fixed, listed, probability, span

MOST = 4
"""Claims of one verdict that are spelt out; the others are counted."""


@dataclass(frozen=True)
class Finding:
    """One sentence, and the verdict that it rests on; none for a remark about all of them."""

    text: str
    verdict: Verdict | None = None
    claim: str = ""
    """Id of the claim."""


def certainty(claim: ClaimResult) -> tuple[float, float]:
    """Return what claims are sorted by: their probability after correction, then the size of their effect."""
    effect = claim.effect
    size = 0.0 if effect is None or math.isnan(effect.value) else abs(effect.value)
    return (1.0 if claim.q is None or math.isnan(claim.q) else claim.q, -size)


Noun = tuple[str, str]
"""One of them, several of them."""
CLAIM: Noun = ("claim", "claims")
HYPOTHESIS: Noun = ("hypothesis", "hypotheses")
"""What claims are called in a table of the user's own."""


def findings(claims: Sequence[ClaimResult], detectable: float | None = None, noun: Noun = CLAIM) -> tuple[Finding, ...]:
    """Return what the claims of a table come out as. `detectable`: points that the seeds detect with 80 % power."""
    measured = [claim for claim in claims if claim.basis == "measured" and claim.verdict != "not run"]
    return (*_decided(measured), *_inconclusive(measured, detectable, noun), *_not_measured(claims))


def _decided(measured: Sequence[ClaimResult]) -> Iterator[Finding]:
    for verdict in ("supported", "contradicted", "supported on average", "contradicted on average"):
        own = sorted((claim for claim in measured if claim.verdict == verdict), key=certainty)
        for claim in own[:MOST]:
            yield Finding(_sentence(claim), claim.verdict, claim.id)
        if len(own) > MOST:
            yield Finding(f"{len(own) - MOST} more {'are' if len(own) - MOST > 1 else 'is'} {verdict}.", own[0].verdict)


def _sentence(claim: ClaimResult) -> str:
    """The claim, its effect here, where that comes from, and the paper's."""
    own, label = _effect(claim), ""
    if len(claim.parts) > 1 or claim.verdict.startswith("contradicted"):
        label = f" for {claim.parts[claim.decisive].label}"
    printed = claim.published_effect
    paper = "" if printed is None else f"; as printed {number(printed, claim.unit)}"
    end = f": {own}{label}{paper}.{_groups(claim)}"
    sentence = claim.text.rstrip(".")
    if claim.verdict == "supported":
        return f"{sentence}{end}"
    if claim.verdict == "supported on average":
        return f"On average, {_uncapitalized(sentence)}{end}"
    return f"Not so here: “{sentence}”{end}"


def _effect(claim: ClaimResult) -> str:
    return "" if claim.effect is None else number(claim.effect.value, claim.unit)


def _groups(claim: ClaimResult) -> str:
    """Where a mean comes from, if its pairs differ by more than noise."""
    differences = claim.differences
    if differences is None:
        return ""
    strong, weak = differences.strong, differences.weak
    more = strong.label or f"{strong.pairs} of {strong.pairs + weak.pairs} comparisons"
    less = weak.label or ("the other" if weak.pairs == 1 else f"the {weak.pairs} others")
    sizes = [number(group.value, claim.unit) for group in (strong, weak)]
    return f" It depends on where: {sizes[0]} for {more}, {sizes[1]} for {less}."


def _uncapitalized(sentence: str) -> str:
    """A sentence as it goes on after a comma; names and formulas keep their letters."""
    first = sentence.split(" ", 1)[0]
    return sentence if not first[1:].islower() and len(first) > 1 else sentence[:1].lower() + sentence[1:]


def _inconclusive(measured: Sequence[ClaimResult], detectable: float | None, noun: Noun) -> Iterator[Finding]:
    left = sorted((claim for claim in measured if claim.verdict == "inconclusive"), key=certainty)
    if not left:
        return
    alone = len(left) == len(measured)
    apart = [claim for claim in left if claim.differences is not None and claim.effect is not None]
    for claim in apart[:MOST]:
        differences = claim.differences
        assert differences is not None
        yield Finding(
            f"“{claim.text.rstrip('.')}” is inconclusive on average ({_effect(claim)}).{_groups(claim)} "
            f"Noise alone makes groups differ so much with probability {probability(differences.p)}.",
            "inconclusive",
            claim.id,
        )
    n = len(left)
    what = "Nothing is decided" if alone else f"{n} {noun[1] + ' are' if n > 1 else noun[0] + ' is'} inconclusive"
    sentences = [f"{what}{f': all {n} {noun[1]} are inconclusive' if alone and n > 1 else ''}."]
    if len(apart) < n:
        sentences.append(_largest([claim for claim in left if claim not in apart[:MOST]]))
    if detectable is not None:
        sentences.append(
            f"So many seeds detect a true difference of {fixed(detectable, 1)} points with 80 % power, smaller ones "
            "less often."
        )
    elif any(claim.n_seeds == 1 and not claim.reference for claim in left):
        sentences.append(f"With one seed the noise of training is unknown: judging takes {SEEDS_FOR_JUDGING} seeds.")
    yield Finding(" ".join(sentence for sentence in sentences if sentence), "inconclusive")


def _largest(left: Sequence[ClaimResult]) -> str:
    """The clearest of the effects that were seen and decide nothing."""
    seen = [claim for claim in left if claim.effect is not None and math.isfinite(claim.effect.value)]
    if not seen:
        return ""
    claim = seen[0]
    ends = claim.shown_interval
    interval = "" if ends is None else f", interval {span(*ends)}"
    return f"Nearest to a decision: “{claim.text.rstrip('.')}” ({_effect(claim)}{interval})."


def _not_measured(claims: Sequence[ClaimResult]) -> Iterator[Finding]:
    computed = [claim for claim in claims if claim.basis == "computed" and claim.verdict != "not run"]
    for verdict in dict.fromkeys(claim.verdict for claim in computed):
        own = [claim for claim in computed if claim.verdict == verdict]
        shown = listed([f"“{claim.text.rstrip('.')}” ({_effect(claim)})" for claim in own[:2]])
        rest = f", and {len(own) - 2} more" if len(own) > 2 else ""
        yield Finding(f"Computed from the architecture, {verdict}: {shown}{rest}.", verdict, own[0].id)
