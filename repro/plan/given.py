"""Networks that somebody else trained: which cells can be evaluated with them."""

from __future__ import annotations

from pathlib import Path

from repro.errors import InputError
from repro.plan.plan import Plan, PlannedCell
from repro.spec.keys import flat_of

GIVEN = "train.start=trained"
"""The override that --weights-trained stands for."""
OPTION = "--weights-trained"
TRAINING = ("train.", "pretrain.", "coco.", "data.train", "seeds.")
"""Settings of how a network is trained."""


def check_given(plan: Plan, trained: Path | None) -> None:
    """Raise InputError for a plan with networks that are given, where what is asked for would need a training.

    `trained`: the file of their weights; None where the user's own function loads them.
    """
    given = [cell for cell in plan.cells if any(e.training.given for e in cell.evaluations.values())]
    if not given:
        return
    if plan.request.seeds > 1:
        raise InputError(
            f"--seeds {plan.request.seeds}: {GIVEN}: nothing is trained, so there are no seeds. Leave it out."
        )
    for table in dict.fromkeys(cell.cell.table for cell in given):
        own = [cell for cell in given if cell.cell.table == table]
        if (key := _differing(own)) is not None:
            raise InputError(
                f"{table}: its cells differ in {key}, and one network that is trained already cannot have both. Choose "
                f"cells that differ in how they are evaluated, with --only."
            )
    models = [e.training.model for cell in given for e in cell.evaluations.values()]
    if trained is None and any(model.implementation is None for model in models):
        raise InputError(
            f"{OPTION}: {GIVEN} needs the file of the weights, unless a function of yours loads them "
            "(model.implementation)."
        )


def _differing(cells: list[PlannedCell]) -> str | None:
    """A setting of training, or of the network, in which cells that are to share one network differ."""
    flats = [flat_of(cell.resolved.protocol) for cell in cells if cell.resolved is not None]
    keys = [key for key in flats[0] if key.startswith((*TRAINING, "model."))]
    return next((key for key in keys if any(flat[key] != flats[0][key] for flat in flats)), None)
