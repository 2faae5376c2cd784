"""Cells whose score says nothing: a network that has collapsed, a ground truth with one class.

Such a score can be in any order with others by accident, so no claim is decided by it. What counts as collapsed: of the
pixels that belong to other classes than the one that the network answers most, it gives another answer to fewer than a
tenth as many. A network that answers background everywhere, as most do in their first iterations, has mean IOU
(share of background) / (number of classes), however the images look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from repro.judge.evidence import Key

FEW = 0.1
"""Answers other than the most frequent one, at most, as a share of the pixels that another class covers."""


def collapse(counts: NDArray[np.integer], names: Sequence[str] = ()) -> str:
    """Return what is wrong with a measurement, as the end of a sentence about it; empty where nothing is.

    `counts` (C, C) [ground truth, prediction], of the whole set; `names` of the classes.
    """
    total = int(counts.sum())
    if total == 0:
        return "scores no pixel: the ground truth is void everywhere"
    truth, answers = counts.sum(axis=1), counts.sum(axis=0)
    if int((truth > 0).sum()) == 1:
        return f"is scored on a ground truth of one class ({_name(int(truth.argmax()), names)})"
    most = int(answers.argmax())
    others, elsewhere = total - int(truth[most]), total - int(answers[most])
    if elsewhere > FEW * others:
        return ""
    return (
        f"answers “{_name(most, names)}” on {100 * answers[most] / total:.1f} % of the pixels (ground truth: "
        f"{100 * truth[most] / total:.1f} %)"
    )


def same_scores(values: Mapping[Key, float], trained_by: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return cell id -> all cells (itself among them) of other trainings that score exactly alike, seed by seed.

    Two trainings that differ agree to the last bit only if both have collapsed, or what tells them apart did nothing.
    `trained_by`: cell id -> the trainings it stands for; cells of the same ones may well agree.
    """
    scores: dict[str, dict[int, float]] = {}
    for (cell, seed), value in values.items():
        scores.setdefault(cell, {})[seed] = value
    alike: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for cell, by_seed in scores.items():
        if cell in trained_by:
            alike.setdefault(tuple(sorted(by_seed.items())), []).append(cell)
    groups = {}
    for cells in alike.values():
        if len({trained_by[cell] for cell in cells}) > 1:
            groups.update(dict.fromkeys(cells, tuple(cells)))
    return groups


def learned_nothing(losses: Sequence[float]) -> bool:
    """Say whether a training saw no labelled pixel: a batch that is all void has a loss of exactly 0."""
    return len(losses) > 0 and all(loss == 0 for loss in losses)


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else f"class {label}"
