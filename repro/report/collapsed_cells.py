"""Which cells have scores that say nothing, and what a report says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from repro.judge.collapse import collapse, learned_nothing, same_scores
from repro.judge.evidence import Evidence
from repro.plan.plan import PlannedCell
from repro.spec.naming import cell_label

SHOWN = 3
"""Cells that a remark names."""


def collapses(
    planned: Iterable[PlannedCell],
    evidence: Evidence,
    names: Mapping[str, Sequence[str]],
    losses: Mapping[str, Sequence[float]],
) -> dict[str, str]:
    """Return cell id -> a sentence on why its score says nothing, of the cells whose score does.

    `names`: data set -> names of its classes; `losses`: training key -> its losses, as stored.
    """
    cells = {cell.cell.id: cell for cell in planned if cell.evaluations}
    sentences = {}
    for name, cell in cells.items():
        classes = names.get(cell.resolved.protocol.data.name, ()) if cell.resolved is not None else ()
        whys = {}
        for seed, evaluation in cell.evaluations.items():
            if (name, seed) not in evidence.values:
                continue
            blind = any(learned_nothing(losses.get(training.key, ())) for training in evaluation.training.chain())
            counts = evidence.totals.get((name, seed))
            why = (
                "was trained without a labelled pixel" if blind else "" if counts is None else collapse(counts, classes)
            )
            whys[seed] = why
        wrong = [why for why in whys.values() if why]
        if wrong:
            share = f", in {len(wrong)} of {len(whys)} seeds" if len(whys) > 1 else ""
            sentences[name] = f"{cell_label(cell.cell)} {wrong[0]}{share}"
    trained_by = {n: " ".join(e.training.key for e in cell.evaluations.values()) for n, cell in cells.items()}
    for name, alike in same_scores(evidence.values, trained_by).items():
        others = [cell_label(cells[other].cell) for other in alike if other != name]
        sentences.setdefault(name, f"{cell_label(cells[name].cell)} scores exactly as {_listed(others)}")
    return sentences


def remarks(table: Sequence[PlannedCell], evidence: Evidence) -> tuple[str, ...]:
    """Return what a table's reader has to know of its collapsed cells, and of those that reference runs do not fit."""
    return (*_collapsed(table, evidence), *_unlike(table, evidence))


def _unlike(table: Sequence[PlannedCell], evidence: Evidence) -> tuple[str, ...]:
    """Return which cells are not as reference runs have them, so that these say nothing of their noise."""
    cells = [planned.cell for planned in table if planned.cell.id in evidence.unlike]
    if not cells:
        return ()
    sources = "; ".join(dict.fromkeys(evidence.unlike[cell.id] for cell in cells))
    be, names = ("is", "score lies") if len(cells) == 1 else ("are", "scores lie")
    return (
        f"{_listed([cell_label(cell) for cell in cells])} {be} not as in the reference runs ({sources}): the {names} "
        "farther from theirs than another seed's would. Claims about them do not take seed noise from there.",
    )


def _collapsed(table: Sequence[PlannedCell], evidence: Evidence) -> tuple[str, ...]:
    wrong = [evidence.collapsed[planned.cell.id] for planned in table if planned.cell.id in evidence.collapsed]
    if not wrong:
        return ()
    measured = sum(planned.cell.kind == "measured" for planned in table)
    shown = "; ".join(wrong[:SHOWN])
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    be = "has a score that says nothing" if len(wrong) == 1 else "have scores that say nothing"
    decides = "decides" if len(wrong) == 1 else "decide"
    return (f"{len(wrong)} of {measured} measured cells {be} and {decides} no claim: {shown}{more}.",)


def _listed(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1} more"
