"""Which settings reach a network of one's own, or one with a backbone or a head of one's own: those that it takes.

What a cell sets for itself, or the command line, must reach it: it is refused where the function has no parameter for
it. What a paper, a table or a scale sets for all cells describes the suite's own network and gives way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from repro.errors import InputError
from repro.spec.implementation import CLASSES, OUTPUT_STRIDE, Implementation, locate
from repro.spec.keys import Flat, flat_of
from repro.spec.parts import OFFERED, NetworkPart, part
from repro.spec.protocol import Model, Protocol

T = TypeVar("T")
NAME = "model.implementation"
SECTION = "model."
PARTS = ("model.backbone", "model.head")
FRAME = ("backbone", "head", "multi_scale", "input")
"""What the suite's network heeds whatever its parts are."""
HEADLESS = (
    ("train.head_lr_multiplier", 1.0, "which part of it is the head is not known"),
    ("train.backbone_batch_norm_decay", None, "which part of it is the backbone is not known"),
)
POOLING = ("evaluate.pooling_px", None, "how it pools is its own")
"""Settings that act on parts of the suite's own networks -> their only value for another, and why."""


@dataclass(frozen=True)
class OwnParts:
    """The suite's network of a backbone and a head, either of which may be the user's."""

    backbone: NetworkPart
    head: NetworkPart

    @property
    def name(self) -> str:
        """The user's part, or both."""
        return " with ".join(entry.name for entry in (self.backbone, self.head) if entry.own)

    def takes(self, setting: str) -> bool:
        """Whether it heeds a setting of `model`."""
        return setting in FRAME or self.backbone.takes(setting) or self.head.takes(setting)


Own = Implementation | OwnParts


def own_network(now: Mapping[str, object], places: Mapping[str, str]) -> Own | None:
    """Return what a protocol's network is made of, where some of it is the user's; None where it is the suite's.

    Raises InputError where there is no such function or part, or where it needs what no setting gives.
    """
    if now[NAME] is not None:
        own = _placed(NAME, places, lambda: locate(str(now[NAME])))
        _refuse_unknown(own.name, own.parameters.needed, (OUTPUT_STRIDE, *CLASSES), places.get(NAME, NAME))
        return own
    if not any(":" in str(now[key]) for key in PARTS):
        return None
    backbone = _placed(PARTS[0], places, lambda: part("backbone", str(now[PARTS[0]])))
    head = _placed(PARTS[1], places, lambda: part("head", str(now[PARTS[1]])))
    for key, entry in zip(PARTS, (backbone, head), strict=True):
        if entry.own:
            _refuse_unknown(entry.name, entry.parameters.needed, OFFERED[entry.kind], places.get(key, key))
    return OwnParts(backbone, head)


def _placed(key: str, places: Mapping[str, str], find: Callable[[], T]) -> T:
    try:
        return find()
    except InputError as error:
        raise InputError(f"{places.get(key, key)}: {error}") from None


def _refuse_unknown(name: str, needed: Sequence[str], offered: Sequence[str], place: str) -> None:
    if unknown := [parameter for parameter in needed if parameter not in {*offered, *Model.model_fields}]:
        raise InputError(f"{place}: {name}: its parameter {unknown[0]} is no setting of model. Give it a default.")


def settings_read(flat: Flat) -> Flat:
    """Return of a resolved protocol what its network reads, and what is not about the network."""
    if flat[NAME] is not None:
        network: Own = locate(str(flat[NAME]))
    else:
        network = OwnParts(part("backbone", str(flat[PARTS[0]])), part("head", str(flat[PARTS[1]])))
    return {key: value for key, value in flat.items() if reaches(network, key)}


def reaches(own: Own | None, key: str) -> bool:
    """Whether the network heeds a setting."""
    return own is None or key == NAME or not key.startswith(SECTION) or own.takes(key.removeprefix(SECTION))


def refuse_ignored(own: Own, given: Mapping[str, object], places: Mapping[str, str]) -> None:
    """Raise InputError for the first of these settings that the network would ignore."""
    for key, value in given.items():
        if not reaches(own, key):
            raise InputError(
                f"{places.get(key, key)}: {own.name} has no parameter {key.removeprefix(SECTION)} and would ignore "
                f"{value!r}. Give the function that parameter, leave the setting out, or choose other cells (--only)."
            )


def refuse_headless(own: Own, now: Mapping[str, object], places: Mapping[str, str]) -> None:
    """Raise InputError for a setting that acts on a part that the suite's networks alone are known to have."""
    unknown = (*HEADLESS, POOLING) if isinstance(own, Implementation) else (POOLING,) if own.head.own else ()
    for key, only, why in unknown:
        if now[key] != only:
            raise InputError(
                f"{places.get(key, key)}: {now[key]} cannot act on {own.name}: {why}. "
                + ("Leave it out." if only is None else f"--set {key}={only:g} leaves it out.")
            )


def give_way(own: Own, flat: Flat) -> None:
    """Put the settings of `model` that do not reach the network to their defaults, so that they tell nothing apart."""
    usual = flat_of(Protocol())
    flat.update({key: usual[key] for key in flat if not reaches(own, key)})
