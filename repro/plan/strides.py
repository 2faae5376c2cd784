"""ResNet weights whose network had its strides in other units than the one that starts from them.

Every public ResNet of torchvision's names was trained with a block's stride in the 3x3 of its first unit; v3's and
v3+'s network has it in the last one (paper v3, section 3.2), v2's in the first one's first 1x1. Names and shapes are
the same, so that such weights load, and the features that they were trained for are not those that they make. It is a
known mistake of ports (docs/pitfalls.md), and no protocol of the papers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from repro.plan.work import weights_name
from repro.spec.parts import part
from repro.spec.protocol import Protocol, StrideAt
from repro.spec.resolve import Deviation, Resolved

if TYPE_CHECKING:
    from repro.plan.plan import Plan

KEY = "weights.stride_at"
"""Of the deviation. It is no setting: `model.stride_at` is, and can be set to what the weights had."""
WORDS: dict[StrideAt, str] = {
    "last_unit": "the 3x3 of each block's last unit",
    "first_unit": "the 3x3 of each block's first unit",
    "first_conv": "the first 1x1 of each block's first unit",
}


def with_strides(resolved: Resolved, stride_at: Callable[[str], StrideAt | None]) -> Resolved:
    """A cell with the deviation, where its ResNet starts from such weights.

    `stride_at`: name of weights (`weights_name`) -> where their network had its strides; None where none are given.
    """
    protocol = resolved.protocol
    own = protocol.model.stride_at
    if not _from_imagenet(protocol) or not part("backbone", protocol.model.backbone).takes("stride_at"):
        return resolved
    trained = stride_at(weights_name(protocol.model))
    if trained is None or trained == own:
        return resolved
    reason = (
        f"The weights were trained with their strides in {WORDS[trained]}, the network has them in {WORDS[own]}: a "
        f"known mistake (docs/pitfalls.md). --set model.stride_at={trained} puts them where the weights had them."
    )
    return replace(resolved, deviations=(*resolved.deviations, Deviation(KEY, own, trained, reason, "lower")))


def _from_imagenet(protocol: Protocol) -> bool:
    if protocol.model.implementation is not None:
        return False  # loads its own
    start = protocol.train.start
    return start == "imagenet" or (start == "coco" and protocol.coco.start == "imagenet")


def strides_line(plan: Plan) -> str:
    """What a plan's cells make of such weights, in words; empty where there are none."""
    resolved = [cell.resolved for cell in plan.cells if cell.resolved is not None]
    deviations = [d for resolution in resolved for d in resolution.deviations if d.key == KEY]
    if not deviations:
        return ""
    some = "all" if len(deviations) == len(resolved) else f"{len(deviations)} of {len(resolved)}"
    return f"{deviations[0].key}, {some} measured cells: {deviations[0].reason}"
