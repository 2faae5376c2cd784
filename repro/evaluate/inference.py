"""Inference strategies: output stride, scales, flip; probabilities averaged.

Paper v3, section 4.1 and Tables 4 and 6; released code: the padded canvas is what is rescaled; the logits of each
pass (those of a scale below 1 first on the grid of scale 1) are resized to the canvas; softmax; mean over passes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from repro.nets.resize import resize, scaled_side
from repro.spec.protocol import Evaluate


def passes(evaluate: Evaluate) -> Iterator[tuple[float, bool]]:
    """The (scale, flipped) passes of a strategy."""
    for scale in evaluate.scales:
        yield scale, False
        if evaluate.flip:
            yield scale, True


@torch.inference_mode()
def probabilities(network: nn.Module, images: Tensor, evaluate: Evaluate) -> Tensor:
    """(N, 3, H, W) normalised canvases -> (N, C, H, W) float32 probabilities, mean over all passes."""
    canvas = (images.shape[2], images.shape[3])
    total: Tensor | None = None
    count = 0
    for scale, flipped in passes(evaluate):
        x = resize(images, (scaled_side(canvas[0], scale), scaled_side(canvas[1], scale)))
        logits = network(x.flip(3) if flipped else x).float()
        if flipped:
            logits = logits.flip(3)
        if scale < 1:
            # the network's own stride, which a decoder makes 4 whatever the output stride is
            stride = max(1, round((x.shape[2] - 1) / max(logits.shape[2] - 1, 1)))
            logits = resize(logits, ((canvas[0] - 1) // stride + 1, (canvas[1] - 1) // stride + 1))
        probability = resize(logits, canvas).softmax(dim=1)
        total = probability if total is None else total.add_(probability)
        count += 1
    if total is None:
        raise ValueError("evaluate.scales is empty")
    return total / count
