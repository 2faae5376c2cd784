"""Which settings reach a network of one's own: those that its function takes.

What a cell sets for itself, or the command line, must reach it: it is refused where the function has no parameter for
it. What a paper, a table or a scale sets for all cells describes the suite's own network and gives way.
"""

from __future__ import annotations

from collections.abc import Mapping

from repro.errors import InputError
from repro.spec.implementation import CLASSES, OUTPUT_STRIDE, Implementation, locate
from repro.spec.keys import Flat, flat_of
from repro.spec.protocol import Model, Protocol

NAME = "model.implementation"
SECTION = "model."
HEADLESS = (
    ("train.head_lr_multiplier", 1.0, "which part of it is the head is not known"),
    ("train.backbone_batch_norm_decay", None, "which part of it is the backbone is not known"),
    ("evaluate.pooling_px", None, "how it pools is its own"),
)
"""Settings that act on parts of the suite's own networks -> their only value for another, and why."""


def own_network(now: Mapping[str, object], places: Mapping[str, str]) -> Implementation | None:
    """Return the function that builds a protocol's network; None where it is the suite's.

    Raises InputError where there is none, or where it needs what no setting gives.
    """
    name = now[NAME]
    if name is None:
        return None
    try:
        own = locate(str(name))
    except InputError as error:
        raise InputError(f"{places.get(NAME, NAME)}: {error}") from None
    known = {OUTPUT_STRIDE, *CLASSES, *Model.model_fields}
    if unknown := [parameter for parameter in own.parameters.needed if parameter not in known]:
        raise InputError(
            f"{places.get(NAME, NAME)}: {own.name}: its parameter {unknown[0]} is no setting of model. Give it a "
            "default."
        )
    return own


def reaches(own: Implementation | None, key: str) -> bool:
    """Whether the network heeds a setting."""
    return own is None or key == NAME or not key.startswith(SECTION) or own.takes(key.removeprefix(SECTION))


def refuse_ignored(own: Implementation, given: Mapping[str, object], places: Mapping[str, str]) -> None:
    """Raise InputError for the first of these settings that the network would ignore."""
    for key, value in given.items():
        if not reaches(own, key):
            raise InputError(
                f"{places.get(key, key)}: {own.name} has no parameter {key.removeprefix(SECTION)} and would ignore "
                f"{value!r}. Give the function that parameter, leave the setting out, or choose other cells (--only)."
            )


def refuse_headless(own: Implementation, now: Mapping[str, object], places: Mapping[str, str]) -> None:
    """Raise InputError for a setting that acts on a part that the suite's networks alone are known to have."""
    for key, only, why in HEADLESS:
        if now[key] != only:
            raise InputError(
                f"{places.get(key, key)}: {now[key]} cannot act on {own.name}: {why}. "
                + ("Leave it out." if only is None else f"--set {key}={only:g} leaves it out.")
            )


def give_way(own: Implementation, flat: Flat) -> None:
    """Put the settings of `model` that do not reach the network to their defaults, so that they tell nothing apart."""
    usual = flat_of(Protocol())
    flat.update({key: usual[key] for key in flat if not reaches(own, key)})
