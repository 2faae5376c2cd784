"""What the seeds of a report stand for, and what all of them share, so that no interval covers it."""

from __future__ import annotations

from collections.abc import Iterable

from repro.report.number_format import listed
from repro.spec.protocol import Protocol


def covered(protocols: Iterable[Protocol]) -> tuple[str, str]:
    """Return two sentences on the cells of these protocols: what a seed decides, and what all seeds share.

    Both empty where there is no protocol.
    """
    distinct = tuple(protocols)
    if not distinct:
        return "", ""
    own = dict.fromkeys(start for protocol in distinct for start in _starts(protocol, own=True))
    shared = dict.fromkeys(start for protocol in distinct for start in _starts(protocol, own=False))
    decides = ["the initial weights of what is not loaded", "the order and augmentation of the training images", *own]
    shares = listed(["the training images", *shared])
    return (
        f"A seed decides {listed(decides)}.",
        f"All seeds share {shares}: no interval accounts for what others would change.",
    )


def _starts(protocol: Protocol, *, own: bool) -> Iterable[str]:
    """What a cell's own training starts from, where each seed has its `own`, or else where all share it."""
    start = protocol.train.start
    if start == "random":
        return
    starts = [start] if start != "coco" else [start, protocol.coco.start]
    trained = own == (protocol.seeds.first_training == "own")
    if "presence" in starts and trained:
        yield "the pre-training"
    if "coco" in starts and trained:
        yield f"the training on {protocol.coco.name} ({protocol.coco.train_split})"
    if "imagenet" in starts and not own:
        yield "the ImageNet weights"
