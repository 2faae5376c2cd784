"""Mean field step by step on one image, as v2's Fig. 5 draws it: score and belief maps of one class.

Always by the tensor operations, whatever backend measures: pydensecrf keeps its scores to itself, and the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from repro.evaluate.confusion import VOID
from repro.evaluate.meanfield import beliefs
from repro.spec.protocol import CRF

SHOWN = (0, 1, 2, 5, 10)
"""Iterations whose maps are kept; 0 is the network's output. The last one is always among them."""


@dataclass(frozen=True)
class Steps:
    """Maps (K, H, W) after `iterations` (K,) of label `label` on the image `name`."""

    name: str
    label: int
    iterations: tuple[int, ...]
    scores: npt.NDArray[np.float16]
    """Input of the softmax: log P(label) before the first iteration, plus the messages afterwards."""
    beliefs: npt.NDArray[np.float16]


def steps(name: str, probabilities: Tensor, pixels: Tensor, truth: npt.NDArray[np.uint8], crf: CRF) -> Steps:
    """The maps of the class that covers most of `truth` (H, W), label 0 (most often background) aside.

    `probabilities` (C, H, W) and `pixels` (H, W, 3) uint8 of the image without padding; `crf` without lists.
    """
    label = main_label(truth, len(probabilities))
    wanted = {*(k for k in SHOWN if k <= crf.iterations), crf.iterations}
    kept = [
        (k, score[label].half().cpu().numpy(), belief[label].half().cpu().numpy())
        for k, (score, belief) in enumerate(beliefs(probabilities, pixels, crf))
        if k in wanted
    ]
    iterations, scores, maps = zip(*kept, strict=True)
    return Steps(name, label, iterations, np.stack(scores), np.stack(maps))


def main_label(truth: npt.NDArray[np.uint8], classes: int) -> int:
    """The label that covers most pixels, of equals the lowest; label 0 only if there is no other."""
    counts = np.bincount(truth[truth != VOID].reshape(-1), minlength=classes)[:classes]
    return int(counts[1:].argmax()) + 1 if counts[1:].any() else 0
