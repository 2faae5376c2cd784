"""Verdicts in plain words, for someone who has not studied statistics."""

from __future__ import annotations

import math

from repro.judge.intervals import Estimate
from repro.judge.result import ALPHA, ClaimResult, Interval, Published
from repro.spec.claim_kinds import KINDS

SEEDS_FOR_JUDGING = 5
MINUS = "−"


def mean_of(pairs: int, unit: str) -> str:
    """Return what an effect over several pairs is: "mean of 3 differences", "geometric mean of 3 ratios"."""
    return f"geometric mean of {pairs} ratios" if unit == "x" else f"mean of {pairs} differences"


def number(value: float, unit: str, sign: bool = True) -> str:
    """Return an effect with its unit: +1.48 points, 3.36 ×."""
    return f"{_figure(value, unit, sign)} {'×' if unit == 'x' else unit}"


def _figure(value: float, unit: str, sign: bool = True) -> str:
    text = f"{value:+.2f}" if sign and unit != "x" else f"{value:.2f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def interval(ends: Estimate | Interval, unit: str) -> str:
    """Return "+0.31 to +1.35", without unit."""
    return " to ".join(_figure(end, unit) for end in (ends.low, ends.high))


def percent(level: float) -> str:
    """Return in how many of a hundred cases an interval holds that misses with probability `level`: "98.6 %"."""
    return f"{100 * (1 - level):.3g} %"


def sentence(result: ClaimResult) -> str:
    """Return what was found for a claim: the verdict first, then the effect, the noise and the paper's own number."""
    if not result.testable:
        return f"Not testable: {result.why}"
    if result.effect is None:
        return _not_run(result)
    effect, part = result.effect, result.parts[result.decisive]
    label = part.label
    if len(part.pairs) > 1:
        mean = f"the {mean_of(len(part.pairs), result.unit)}"
        label = mean if len(result.parts) == 1 else f"{label} ({mean})"
    if len(result.parts) > 1:
        label = f"{KINDS[result.kind].weakest} of {len(result.parts)}, {label},"
    effect_clause = f"{label} is {number(effect.value, result.unit)}"
    printed = result.published_effect
    published = f" The paper's: {number(printed, result.unit)}." if printed is not None else ""
    if effect.covers == "exact":
        return _exact(result, effect_clause)
    if result.collapsed:
        more = f" (and {len(result.collapsed) - 1} more)" if len(result.collapsed) > 1 else ""
        return (
            f"Inconclusive: {effect_clause}, but {result.collapsed[0]}{more}: such a score decides nothing.{published}"
        )
    if result.n_seeds == 1 and not result.reference:
        return _one_seed(result, effect_clause, effect) + published
    return _judged(result, effect_clause, effect) + published


def _not_run(result: ClaimResult) -> str:
    if result.missing:
        more = f" and {len(result.missing) - 1} more" if len(result.missing) > 1 else ""
        return f"Not run: no measurement of {result.missing[0]}{more}."
    if result.same:
        more = f" and {len(result.same) - 2} more" if len(result.same) > 2 else ""
        return (
            f"Not run: {' and '.join(result.same[:2])}{more} are one measurement here, as what tells them apart in the "
            "paper was set to one value for all. There is nothing to compare."
        )
    return "Not run: the cells have no seed in common, so that nothing can be paired."


def _exact(result: ClaimResult, clause: str) -> str:
    pairs = result.pairs
    held = sum(pair.holds for pair in pairs)
    count = f"; it holds for {held} of {len(pairs)} pairs" if len(pairs) > 1 else ""
    return f"{_subject(result)}: {clause}{count}. Computed, so there is no noise."


def _one_seed(result: ClaimResult, clause: str, effect: Estimate) -> str:
    if effect.covers == "images only":
        spread = f"; the choice of validation images alone makes that {interval(effect, result.unit)} (95 % interval)"
    else:
        spread = ""
    return (
        f"Inconclusive: {clause} with one seed{spread}. How much another seed would change is unknown; "
        f"judging takes {SEEDS_FOR_JUDGING} seeds."
    )


def _judged(result: ClaimResult, clause: str, effect: Estimate) -> str:
    noise = "" if effect.covers == "images and seeds" else ", the choice of images not counted"
    assert result.interval is not None
    assert result.level is not None
    spread = (
        f"({percent(result.level)} interval {interval(result.interval, result.unit)}, {seeds_of(result)}{noise}; "
        f"{_chance(result)})"
    )
    if result.verdict != "inconclusive":
        return f"{_subject(result)}: {clause} {spread}.{_apart(result)}"
    return f"Inconclusive: {clause} {spread}. {reason(result)}{_apart(result)}"


def seeds_of(result: ClaimResult) -> str:
    """Return the seeds that a claim's noise is of: "5 seeds", or one seed and where the noise is taken from."""
    if result.reference:
        return f"one seed; seed noise taken from reference runs ({result.reference})"
    return f"{result.n_seeds} seeds" if result.n_seeds != 1 else "one seed"


def _subject(result: ClaimResult) -> str:
    """Return the verdict as a sentence begins; `capitalize` would take names their capitals."""
    return result.qualified_verdict[0].upper() + result.qualified_verdict[1:]


def qualifier(result: ClaimResult) -> str:
    """Return where a verdict "on average" comes from; empty for other verdicts."""
    differences = result.differences
    if differences is None or not result.verdict.endswith("on average"):
        return ""
    part = result.parts[result.decisive]
    if math.isfinite(part.low) and math.isfinite(part.high):
        return "with pairs that differ"
    supported = result.verdict.startswith("supported")
    first, other = (differences.strong, differences.weak) if supported else (differences.weak, differences.strong)
    agrees = other.holds if supported else other.opposes
    if not first.label and other.label:
        return f"{'least' if agrees else 'not'} for {other.label}"
    name = first.label or f"{first.pairs} of {first.pairs + other.pairs} pairs"
    return f"{'most for' if agrees else 'carried by'} {name}"


def _apart(result: ClaimResult) -> str:
    """Say how far the pairs behind a mean are apart, where that is farther than noise explains."""
    differences = result.differences
    if differences is None:
        return ""
    strong, weak = differences.strong, differences.weak
    more = strong.label or f"{strong.pairs} of {strong.pairs + weak.pairs} pairs"
    less = weak.label or f"the {weak.pairs} others"
    counts = (
        f" The pairs are farther apart than noise explains ({_probability(differences.p)}): "
        f"{number(strong.value, result.unit)} for {more}, {number(weak.value, result.unit)} for {less}."
    )
    if result.verdict.startswith("supported") and weak.opposes:
        return f"{counts} The opposite holds for {less}."
    if result.verdict.startswith("contradicted") and strong.holds:
        return f"{counts} It holds for {more}."
    return counts


def reason(result: ClaimResult) -> str:
    """Return why a claim with several seeds stays inconclusive."""
    if result.p is not None and result.p <= ALPHA:
        return f"Enough for one claim alone, not for one of {result.tests}: some would look like this by chance."
    if 2 * result.parts[result.decisive].p_outside <= ALPHA:
        return (
            f"By itself that would contradict the claim, but it is the worst of {len(result.parts)} comparisons: "
            "chance alone can produce it."
        )
    return "Noise of this size leaves both answers open."


def _chance(result: ClaimResult) -> str:
    if result.q is None:
        return "not tested"
    return _probability(result.q) + (f" after correction for {result.tests} claims" if result.tests > 1 else "")


def _probability(p: float) -> str:
    return f"probability {'below 0.001' if p < 0.001 else f'{p:.3f}'}"


def published_note(published: Published, kind: str) -> str:
    """Return what the paper's own numbers say of a claim, and whether single runs can tell that."""
    effects, unit = published.effects, published.unit
    weakest = effects[published.decisive]
    held = sum(effect.holds for effect in effects)
    size = number(weakest.value, unit)
    if len(weakest.pairs) > 1:
        values = [pair.value for pair in weakest.pairs]
        size += f", the {mean_of(len(values), unit)} from {_figure(min(values), unit)} to {_figure(max(values), unit)}"
    if len(effects) == 1:
        verdict = f"{published.status.capitalize()} as printed: {size}."
    elif published.status == "holds":
        verdict = f"Holds as printed; the narrowest of {len(effects)} is {weakest.label} with {size}."
    else:
        verdict = (
            f"Fails as printed for {len(effects) - held} of {len(effects)} comparisons; "
            f"the worst is {weakest.label} with {size}."
        )
    if published.clear is None or KINDS[kind].logarithmic:
        return verdict
    limit = f"{max(effect.limit for effect in effects):.2f} {unit}"
    few = len(effects) - published.clear
    if few == 0:
        return f"{verdict} More than single runs differ by chance ({limit})."
    be = "is" if few == 1 else "are"
    where = "Too close to tell" if len(effects) == 1 else f"{few} of {len(effects)} comparisons {be} too close to tell"
    aim = KINDS[kind].too_close_to.format(high=number(published.high, unit, sign=False))
    return f"{verdict} {where}{f' from {aim}' if aim else ''}: single runs differ by up to {limit} by chance."
