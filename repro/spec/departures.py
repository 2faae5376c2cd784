"""Which departures from the paper change what a cell measures: its value then stands for another experiment's.

At scale `paper` a measured value is held against the printed one, but only where nothing of that kind was changed, be
it on the command line, by another data set or by a rule of a table's own. What changes only how a result is computed
(rounding, how many images are evaluated at once, or trained at once where no statistics are learned from them) leaves
the two comparable, and so does what this cell never reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repro.spec.protocol import Protocol
    from repro.spec.resolve import Deviation

COMPUTING = ("train.precision", "pretrain.precision", "evaluate.precision", "evaluate.batch_size")
"""Settings of how, not of what: the same arithmetic but for rounding."""
SAMPLING = ("seeds.first_training",)
"""Settings of what seeds have in common: each of them measures the same thing under either."""
COMPUTING_OF_CRF = ("backend",)
"""The same of a CRF: both backends label alike (docs/crf.md)."""
SET, ASKED = "set on the command line", "asked for on the command line"
"""Reasons of deviations that the user asked for: by --set, by --dataset."""


def departures(protocol: Protocol, deviations: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """Those of a cell's `deviations` that make its value another experiment's, in their order.

    `protocol`: what the cell runs under, deviations included.
    """
    return tuple(d for d in deviations if not _computing(d, protocol) and not _idle(d.key, protocol))


def asked_for(deviations: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """Those that the user asked for on the command line."""
    return tuple(d for d in deviations if d.reason in (SET, ASKED))


def named(keys: Sequence[str], most: int = 4) -> str:
    """The first of several names: "model.width, train.crop and 3 more"."""
    if len(keys) <= most + 1:
        return ", ".join(keys)
    return f"{', '.join(keys[:most])} and {len(keys) - most} more"


def changed_line(changed: int, cells: int, settings: Sequence[str]) -> str:
    """Why `changed` of `cells` measured cells are not held against the published values at scale paper."""
    what = f"{'settings' if len(settings) > 1 else 'a setting'} other than the paper's ({named(settings)})"
    if changed == cells:
        return f"Measured with {what}: that says nothing about absolute values."
    those = "one" if changed == 1 else f"{changed} cells"
    return f"Of {cells} cells, {those} measured with {what} say{'s' * (changed == 1)} nothing about absolute values."


def _computing(deviation: Deviation, protocol: Protocol) -> bool:
    if deviation.key in (*COMPUTING, *SAMPLING):
        return True
    if deviation.key.endswith(".micro_batch"):
        learned = protocol.train.batch_norm == "train" or deviation.key == "pretrain.micro_batch"
        return not (learned and protocol.model.normed)
    published, value = deviation.published, deviation.value
    if deviation.key != "evaluate.crf" or published is None or value is None:
        return False
    return all(published[key] == value[key] or key in COMPUTING_OF_CRF for key in published)


def _idle(key: str, protocol: Protocol) -> bool:
    """Whether the key belongs to a pre-training that this cell does not have."""
    start = protocol.train.start
    if key.startswith("coco."):
        return start != "coco"
    if key.startswith("pretrain."):
        return start != "presence" and not (start == "coco" and protocol.coco.start == "presence")
    return False
