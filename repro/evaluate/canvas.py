"""What the network sees of an image, and at which size.

The papers' way: all of it, as it is, padded at bottom and right to the canvas. The other two are known mistakes:
squashed to one size whatever its shape, and resized to cover one size of which only the centre is seen and scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from repro.errors import InputError
from repro.nets.resize import resize
from repro.spec.protocol import Evaluate

Size = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, and the height and width at which it lies in the canvas' upper left corner."""

    top: int
    left: int
    height: int
    width: int
    seen: Size

    @property
    def changed(self) -> bool:
        """Whether it is not the whole image at its own size."""
        return (self.top, self.left, self.height, self.width) != (0, 0, *self.seen)


def windows(sizes: Sequence[Size], evaluate: Evaluate) -> list[Window]:
    """What is seen of images of these heights and widths. InputError where it does not fit the canvas."""
    per_image = [_window(height, width, evaluate) for height, width in sizes]
    height, width = (max(window.seen[axis] for window in per_image) for axis in (0, 1))
    if height > evaluate.canvas[0] or width > evaluate.canvas[1]:
        raise InputError(
            f"evaluate.canvas: [{evaluate.canvas[0]}, {evaluate.canvas[1]}] is smaller than the images, "
            f"{height} x {width}. Set evaluate.canvas to at least that, or data.side to make the images smaller."
        )
    return per_image


def _window(height: int, width: int, evaluate: Evaluate) -> Window:
    if evaluate.squash is not None:
        return Window(0, 0, height, width, evaluate.squash)
    if evaluate.centre_crop is None:
        return Window(0, 0, height, width, (height, width))
    wanted = evaluate.centre_crop
    factor = max(wanted[0] / height, wanted[1] / width)
    own = min(height, round(wanted[0] / factor)), min(width, round(wanted[1] / factor))
    return Window((height - own[0]) // 2, (width - own[1]) // 2, *own, wanted)


def place(images: Tensor, seen: Sequence[Window], evaluate: Evaluate) -> Tensor:
    """Normalised images (N, 3, H, W) -> (N, 3, *canvas), 0 wherever there is nothing of the image."""
    if any(window.changed for window in seen):
        x = images.new_zeros(len(images), images.shape[1], *evaluate.canvas)
        for at, image, window in zip(x, images, seen, strict=True):
            part = image[None, :, window.top : window.top + window.height, window.left : window.left + window.width]
            height, width = window.seen
            at[:, :height, :width] = resize(part, window.seen, align_corners=evaluate.align_corners)[0]
        return x
    images = images[:, :, : evaluate.canvas[0], : evaluate.canvas[1]]
    height, width = images.shape[2:]
    if any(window.seen != (height, width) for window in seen):
        # smaller images are filled up with the byte 0, which is black; the canvas is grey
        images = images.masked_fill(outside(seen, (height, width), images.device)[:, None], 0.0)
    return functional.pad(images, (0, evaluate.canvas[1] - width, 0, evaluate.canvas[0] - height))


def put_back(scores: Tensor, seen: Sequence[Window], size: Size, evaluate: Evaluate) -> Tensor:
    """(N, C, *canvas) -> (N, C, *size) in the images' own pixels; 0 where nothing was seen."""
    if not any(window.changed for window in seen):
        return scores[:, :, : size[0], : size[1]]
    out = scores.new_zeros(*scores.shape[:2], *size)
    for at, score, window in zip(out, scores, seen, strict=True):
        part = score[None, :, : window.seen[0], : window.seen[1]]
        own = resize(part, (window.height, window.width), align_corners=evaluate.align_corners)[0]
        at[:, window.top : window.top + window.height, window.left : window.left + window.width] = own
    return out


def outside(seen: Sequence[Window], size: Size, device: torch.device) -> Tensor:
    """(N, *size) bool: pixels of images padded to `size` of which the network sees nothing."""
    mask = torch.ones(len(seen), *size, dtype=torch.bool, device=device)
    for at, window in zip(mask, seen, strict=True):
        at[window.top : window.top + window.height, window.left : window.left + window.width] = False
    return mask
