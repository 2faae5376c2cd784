"""What simulations show of claims with several comparisons and of the intervals of claims, as Markdown.

Part of `repro.studies.judge_report`.
"""

from __future__ import annotations

from collections.abc import Sequence

from repro.report.formats.markdown import rows as table
from repro.studies.pairs import DEVIATION, PLACES, Apart, Every, Missed


def claims_section(rows: Sequence[object]) -> list[str]:
    """Return the sections on "every" and "mean", on pairs that differ, and on the intervals of claims."""
    every = [row for row in rows if isinstance(row, Every)]
    apart = [row for row in rows if isinstance(row, Apart)]
    missed = [row for row in rows if isinstance(row, Missed)]
    return [
        "## “Every” and “mean”",
        f"Two networks at four places, true differences as given, seeds of a cell apart by ±{DEVIATION} points. The "
        "claim “better at every place” and the claim “better on average” on the same experiments; “plain” is without "
        "“on average”, that is, without a word that the pairs differ. In per cent.",
        _every(every),
        "## Do the pairs behind a mean differ?",
        "How often the verdict says so, in per cent. Where pairs are alike it should at most 5 times in 100. Four "
        "pairs; or three variants that are held against one baseline at each of four places, so that their twelve "
        "differences are not independent.",
        _apart(apart),
        "## Do the intervals of claims hold the truth?",
        "Eight claims judged together, of three networks at four places; half of the true scores differ, by "
        "±2 points. “Missed” is how often the interval shown beside a claim, that of its weakest comparison, misses "
        "that comparison's truth. Among decided claims 5 % are promised (the false coverage rate). “At odds”: the "
        "interval says another thing than the verdict. In per cent.",
        _missed(missed),
    ]


def claims_promises(rows: Sequence[object]) -> list[list[str]]:
    """Return what was promised of claims, and what was found; nothing where nothing was simulated."""
    every = [row for row in rows if isinstance(row, Every) and min(PLACES.get(row.places, (1.0,))) <= 0]
    missed = [row for row in rows if isinstance(row, Missed)]
    if not every or not missed:
        return []
    return [
        [
            "“Better at every place” is supported in at most 5 % where one is not better",
            _span([row.every_supported for row in every]),
        ],
        ["Of the intervals of decided claims, at most 5 % miss", _span([row.missed_decided for row in missed])],
        ["No interval of a claim is at odds with its verdict", f"{_span([row.at_odds for row in missed])} are"],
    ]


def _every(rows: Sequence[Every]) -> str:
    head = ("True differences", "Seeds", "Every: supported", "Contradicted", "Mean: supported", "Plain")
    body = [
        [row.places, str(row.seeds),
         *map(_per_cent, (row.every_supported, row.every_contradicted, row.mean_supported, row.mean_plain))]
        for row in rows
    ]  # fmt: skip
    return table(head, body, range(1, 6))


def _apart(rows: Sequence[Apart]) -> str:
    seeds = sorted({row.seeds for row in rows})
    flagged = {(row.pairs, row.seeds): row for row in rows}
    body = []
    for pairs in dict.fromkeys(row.pairs for row in rows):
        of_pairs = [flagged.get((pairs, count)) for count in seeds]
        alike = any(row.alike for row in of_pairs if row is not None)
        shares = ["–" if row is None else _per_cent(row.flagged) for row in of_pairs]
        body.append([pairs, "at most 5" if alike else "often", *shares])
    return table(("Pairs", "Wanted", *(f"{count} seeds" for count in seeds)), body, range(2, 2 + len(seeds)))


def _missed(rows: Sequence[Missed]) -> str:
    head = ("Table", "Seeds", "Decided", "Wrong among decided", "Missed: decided", "Missed: all", "At odds")
    body = [
        [row.table, str(row.seeds),
         *map(_per_cent, (row.decided, row.wrong, row.missed_decided, row.missed, row.at_odds))]
        for row in rows
    ]  # fmt: skip
    return table(head, body, range(1, 7))


def _span(shares: Sequence[float]) -> str:
    low, high = (_per_cent(end) for end in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
