"""Verdicts in plain words, for someone who has not studied statistics."""

from __future__ import annotations

from collections.abc import Sequence

from repro.judge.intervals import Estimate
from repro.judge.result import ClaimResult, Published
from repro.spec.claim import Kind

SEEDS_FOR_JUDGING = 5
MINUS = "−"


WEAKEST = {"best": "the strongest rival", "monotone": "the weakest step"}
"""Kind of claim -> what its deciding effect is called where there are several; else "the weakest"."""


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


def interval(effect: Estimate, unit: str) -> str:
    """Return "+0.31 to +1.35", without unit."""
    return " to ".join(_figure(end, unit) for end in (effect.low, effect.high))


def sentence(result: ClaimResult) -> str:
    """Return what was found for a claim: the verdict first, then the effect, the noise and the paper's own number."""
    if not result.testable:
        return f"Not put to a test: {result.why}"
    if result.effect is None:
        return _not_run(result)
    effect, part = result.effect, result.parts[result.decisive]
    label = part.label
    if len(part.pairs) > 1:
        mean = f"the {mean_of(len(part.pairs), result.unit)}"
        label = mean if len(result.parts) == 1 else f"{label} ({mean})"
    if len(result.parts) > 1:
        label = f"{WEAKEST.get(result.kind, 'the weakest')} of {len(result.parts)}, {label},"
    found = f"{label} is {number(effect.value, result.unit)}"
    printed = result.published_effect
    published = f" The paper's: {number(printed, result.unit)}." if printed is not None else ""
    if effect.covers == "exact":
        return _exact(result, found)
    if result.collapsed:
        more = f" (and {len(result.collapsed) - 1} more)" if len(result.collapsed) > 1 else ""
        return f"Undecided: {found}, but {result.collapsed[0]}{more}: such a score decides nothing.{published}"
    if result.n_seeds == 1:
        return _one_seed(result, found, effect) + published
    return _judged(result, found, effect) + published


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


def _exact(result: ClaimResult, found: str) -> str:
    pairs = result.pairs
    held = sum(pair.holds for pair in pairs)
    count = f"; it holds for {held} of {len(pairs)} pairs" if len(pairs) > 1 else ""
    return f"{result.verdict.capitalize()}: {found}{count}. Computed, so there is no noise."


def _one_seed(result: ClaimResult, found: str, effect: Estimate) -> str:
    if effect.covers == "images only":
        spread = f"; the choice of validation images alone makes that {interval(effect, result.unit)} (95 % interval)"
    else:
        spread = ""
    return (
        f"Undecided: {found} with one seed{spread}. How much another seed would change is unknown; "
        f"judging takes {SEEDS_FOR_JUDGING} seeds."
    )


def _judged(result: ClaimResult, found: str, effect: Estimate) -> str:
    noise = "" if effect.covers == "images and seeds" else ", the choice of images not counted"
    spread = f"(95 % interval {interval(effect, result.unit)}, {result.n_seeds} seeds{noise}; {_chance(result)})"
    if result.verdict != "inconclusive":
        but = f" But {_listed(result.objecting)} by itself says the opposite." if result.objecting else ""
        return f"{result.verdict.capitalize()}: {found} {spread}.{but}"
    return f"Undecided: {found} {spread}. {_reason(result)}"


def _reason(result: ClaimResult) -> str:
    """Say why a claim with several seeds stays undecided, where its interval seems to say otherwise."""
    part = result.parts[result.decisive]
    if result.p is not None and result.p <= 0.05:
        return f"Enough for one claim alone, not for one of {result.tests}: some would look like this by chance."
    if 2 * part.p_outside <= 0.05:
        return (
            f"By itself that says the opposite, but it is the worst of {len(result.parts)}: chance alone makes one so."
        )
    return "Noise of this size leaves both answers open."


def _chance(result: ClaimResult) -> str:
    if result.q is None or result.p is None:
        return "not tested"
    q = "below 0.001" if result.q < 0.001 else f"{result.q:.3f}"
    return f"probability {q} after correction for {result.tests} claims" if result.tests > 1 else f"probability {q}"


def _listed(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"


def published_note(published: Published, kind: Kind) -> str:
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
    if published.clear is None or kind == "ratio":
        return verdict
    limit = f"{max(effect.limit for effect in effects):.2f} {unit}"
    few = len(effects) - published.clear
    if few == 0:
        return f"{verdict} More than single runs differ by chance ({limit})."
    be = "is" if few == 1 else "are"
    where = "Too close to tell" if len(effects) == 1 else f"{few} of {len(effects)} comparisons {be} too close to tell"
    aim = {
        "equal": f" from a difference of {number(published.high, unit, sign=False)}",
        "gain": " from the range's end",
    }
    return f"{verdict} {where}{aim.get(kind, '')}: single runs differ by up to {limit} by chance."
