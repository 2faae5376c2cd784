"""What simulations show of verdicts with seed noise from reference runs, as Markdown. Part of `judge_report`."""

from __future__ import annotations

from collections.abc import Sequence

from repro.report.formats.markdown import rows as table
from repro.studies.reference_runs import BORNE, LUCKY, Borrowed, BorrowedApart, BorrowedTable


def reference_section(rows: Sequence[object]) -> list[str]:
    """Return the section on runs with one seed."""
    borrowed = [row for row in rows if isinstance(row, Borrowed)]
    if not borrowed:
        return []
    return [
        "## One seed, with seed noise from reference runs",
        "A run with one seed, judged with the standard deviation over the seeds of reference runs. Two networks that "
        "are equally good, in per cent of experiments: “supported” is wrong, and at most 5 are promised. The run has a "
        "seed of its own, or repeats one of the reference's. “Elsewhere” is what another machine or version adds to a "
        "difference, in every run alike, in standard deviations over seeds; the reference does not show it. “Unlike”: "
        "a score is too far from those of the reference, which is then not used. “Closest”: of the "
        f"{100 * LUCKY:g} % of reference runs whose seeds happen to lie closest together. {_experiments(borrowed)}",
        _nulls([row for row in borrowed if not row.difference]),
        "The same where the second network is better, scores without noise of images, a difference varies by 1.13 "
        "points over seeds. “Reference itself” is what the reference runs support with all of their seeds.",
        _powers([row for row in borrowed if row.difference]),
        "Eight claims judged together, four without a difference and four true ones of 6 points:",
        _tables([row for row in rows if isinstance(row, BorrowedTable)]),
        "How often the pairs behind a mean are said to differ:",
        _apart([row for row in rows if isinstance(row, BorrowedApart)]),
    ]


def _experiments(rows: Sequence[Borrowed]) -> str:
    """Say how many experiments a figure rests on, and so how sure it is."""
    counts = sorted({row.experiments for row in rows})
    error = 100 * (0.05 * 0.95 / counts[0]) ** 0.5
    return f"{counts[0]} to {counts[-1]} experiments a figure, so that one of 5 is sure to ± {error:.1f}."


def reference_promises(rows: Sequence[object]) -> list[list[str]]:
    """Return what was promised of verdicts of one seed, and what was found; nothing where nothing was simulated."""
    nulls = [row for row in rows if isinstance(row, Borrowed) and not row.difference and row.elsewhere <= BORNE]
    if not nulls:
        return []
    shares = [row.supported for row in nulls]
    promise = (
        "From one seed, with seed noise from reference runs, two equal networks are called different in the claim's "
        f"favour in at most 5 %, also where machine or version add {BORNE:g} standard deviations over seeds"
    )
    together = sum(row.supported * row.experiments for row in nulls) / sum(row.experiments for row in nulls)
    span = f"{_per_cent(min(shares))} to {_per_cent(max(shares))} %"
    return [[promise, f"{_per_cent(together)} % of all; {span} by world"]]


def _nulls(rows: Sequence[Borrowed]) -> str:
    head = ("World", "Seed", "Reference", "Elsewhere", "Supported", "Contradicted", "Closest: supported", "Unlike")
    body = [
        [row.world, "one of the reference's" if row.repeated else "its own", f"{row.reference_seeds} seeds",
         f"{row.elsewhere:g}", *map(_per_cent, (row.supported, row.contradicted, row.lucky, row.unlike))]
        for row in rows
    ]  # fmt: skip
    return table(head, body, range(3, 8))


def _powers(rows: Sequence[Borrowed]) -> str:
    head = ("True difference [points]", "Reference", "Supported", "Reference itself")
    body = [
        [f"{row.difference:g}", f"{row.reference_seeds} seeds", _per_cent(row.supported), _per_cent(row.own)]
        for row in rows
    ]
    return table(head, body, (0, 2, 3))


def _tables(rows: Sequence[BorrowedTable]) -> str:
    head = ("Reference", "Elsewhere", "Wrong among verdicts", "True claims found")
    body = [
        [f"{row.reference_seeds} seeds", f"{row.elsewhere:g}", _per_cent(row.wrong), _per_cent(row.detected)]
        for row in rows
    ]
    return table(head, body, (1, 2, 3))


def _apart(rows: Sequence[BorrowedApart]) -> str:
    body = [[row.pairs, "at most 5" if row.alike else "often", _per_cent(row.flagged)] for row in rows]
    return table(("Pairs", "Wanted", "Said to differ"), body, (2,))


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f}"
