"""Inference strategies: output stride, scales, flip, sliding windows; probabilities averaged.

Paper v3, sections 4.2 and 4.3, Tables 4 and 6; released code: the padded canvas is what is rescaled; the logits of each
pass (those of a scale below 1 first on the grid of scale 1) are resized to the canvas; softmax; mean over passes.

With `evaluate.window` a pass looks at overlapping windows of the (scaled) canvas instead, as large as the window, each
image's own (`repro.spec.sliding`): logits are resized to the windows and averaged where these overlap. An image that is
smaller than the window has one, which shows some of the canvas around it: as much as the network saw in training. Where
one window holds the whole canvas, the pass is that of whole images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from repro.nets.resize import resize, scaled_side
from repro.spec.protocol import Evaluate
from repro.spec.sliding import corners, fits


def passes(evaluate: Evaluate) -> Iterator[tuple[float, bool]]:
    """The (scale, flipped) passes of a strategy."""
    for scale in evaluate.scales:
        yield scale, False
        if evaluate.flip:
            yield scale, True


@torch.inference_mode()
def probabilities(
    network: nn.Module, images: Tensor, evaluate: Evaluate, sizes: Sequence[tuple[int, int]] = ()
) -> Tensor:
    """(N, 3, H, W) normalised canvases -> (N, C, H, W) float32 probabilities, mean over all passes.

    `sizes`: heights and widths of the images on the canvases, the canvases' own unless given. Windows follow them, and
    a rescaling of images, not canvases, asks for them.
    """
    canvas = (images.shape[2], images.shape[3])
    total: Tensor | None = None
    count = 0
    for scale, flipped in passes(evaluate):
        by_image = evaluate.rescale == "image" and scale != 1
        x = _images_scaled(images, sizes, scale, evaluate) if by_image else _resized(images, scale, evaluate)
        if evaluate.window is not None and not fits((x.shape[2], x.shape[3]), evaluate.window):
            own = sizes or [canvas] * len(images)
            scaled = [(scaled_side(height, scale), scaled_side(width, scale)) for height, width in own]
            logits = _through_windows(network, x, scaled, evaluate, flipped)
        else:
            logits = _logits(network, x, flipped)
            if by_image:
                logits = _images_own(logits, sizes, scale, (x.shape[2], x.shape[3]), evaluate, canvas)
            elif scale < 1:
                # the network's own stride, which a decoder makes 4 whatever the output stride is
                stride = max(1, round((x.shape[2] - 1) / max(logits.shape[2] - 1, 1)))
                grid = ((canvas[0] - 1) // stride + 1, (canvas[1] - 1) // stride + 1)
                logits = resize(logits, grid, align_corners=evaluate.align_corners)
        probability = resize(logits, canvas, align_corners=evaluate.align_corners).softmax(dim=1)
        total = probability if total is None else total.add_(probability)
        count += 1
    if total is None:
        raise ValueError("evaluate.scales is empty")
    return total / count


def _logits(network: nn.Module, x: Tensor, flipped: bool) -> Tensor:
    """(N, 3, H, W) -> logits (N, C, h, w) float32, as of the inputs that are not flipped."""
    logits: Tensor = network(x.flip(3)).float().flip(3) if flipped else network(x).float()
    return logits.contiguous() if logits.is_cuda else logits  # there the softmax would copy whole canvases for it


def _through_windows(
    network: nn.Module, x: Tensor, sizes: Sequence[tuple[int, int]], evaluate: Evaluate, flipped: bool
) -> Tensor:
    """(N, 3, H, W) -> logits (N, C, H, W) float32: of each pixel the mean over the windows that show it, else 0.

    Windows of images of these sizes, as many at once as there are images.
    """
    wanted, stride = evaluate.window, evaluate.window_stride
    assert wanted is not None
    assert stride is not None
    height, width = min(wanted[0], x.shape[2]), min(wanted[1], x.shape[3])
    places = [
        (image, slice(top, top + height), slice(left, left + width))
        for image, size in enumerate(sizes)
        for top, left in corners(size, (height, width), stride)
    ]
    total: Tensor | None = None
    shown = x.new_zeros(len(x), 1, *x.shape[2:], dtype=torch.float32)
    for first in range(0, len(places), len(x)):
        batch = places[first : first + len(x)]
        seen = torch.stack([x[image, :, rows, columns] for image, rows, columns in batch])
        logits = _logits(network, seen.contiguous(memory_format=torch.channels_last), flipped)
        logits = resize(logits, (height, width), align_corners=evaluate.align_corners)
        if total is None:
            total = logits.new_zeros(len(x), logits.shape[1], *x.shape[2:])
        for (image, rows, columns), own in zip(batch, logits, strict=True):
            total[image, :, rows, columns] += own
            shown[image, :, rows, columns] += 1
    if total is None:
        raise ValueError("there are no images")
    return total.div_(shown.clamp_(min=1))


def _resized(images: Tensor, scale: float, evaluate: Evaluate) -> Tensor:
    """The canvases at a scale."""
    size = (scaled_side(images.shape[2], scale), scaled_side(images.shape[3], scale))
    return resize(images, size, align_corners=evaluate.align_corners)


def _images_scaled(images: Tensor, sizes: Sequence[tuple[int, int]], scale: float, evaluate: Evaluate) -> Tensor:
    """The images at a scale, each padded again: to the canvas, or to the scaled canvas where that is larger."""
    height, width = images.shape[2:]
    x = images.new_zeros(
        len(images), images.shape[1], max(height, scaled_side(height, scale)), max(width, scaled_side(width, scale))
    )
    for at, image, (h, w) in zip(x, images, sizes, strict=True):
        size = (scaled_side(h, scale), scaled_side(w, scale))
        own = resize(image[None, :, :h, :w], size, align_corners=evaluate.align_corners)
        at[:, : size[0], : size[1]] = own[0]
    return x


def _images_own(
    logits: Tensor,
    sizes: Sequence[tuple[int, int]],
    scale: float,
    padded: tuple[int, int],
    evaluate: Evaluate,
    canvas: tuple[int, int],
) -> Tensor:
    """The inverse for logits (N, C, h, w): each image's own part at its own size, on the canvas."""
    scores = resize(logits, padded, align_corners=evaluate.align_corners)
    out = scores.new_zeros(*scores.shape[:2], *canvas)
    for at, score, (h, w) in zip(out, scores, sizes, strict=True):
        part = score[None, :, : scaled_side(h, scale), : scaled_side(w, scale)]
        at[:, :h, :w] = resize(part, (h, w), align_corners=evaluate.align_corners)[0]
    return out
