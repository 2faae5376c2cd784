"""One evaluation: every image of a split through a trained network, a confusion matrix for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from repro.data.augment import normalise
from repro.data.images import Images
from repro.errors import InputError
from repro.evaluate.confusion import VOID, class_iou, confusion, image_mean_iou, mean_iou
from repro.evaluate.crf import refine
from repro.evaluate.inference import probabilities
from repro.evaluate.region import has_void, scored
from repro.nets.deeplab import build
from repro.spec.protocol import Evaluate, Model

PICTURES = 4
"""The first images of the split are kept as pictures: fixed before any result is seen."""


@dataclass(frozen=True)
class Pictures:
    """The kept images: image (K, H, W, 3), truth and prediction (K, H, W)."""

    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    prediction: npt.NDArray[np.uint8]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """What an evaluation leaves."""

    matrices: npt.NDArray[np.int32]
    """(N, C, C) [image, truth, prediction]."""
    names: tuple[str, ...]
    pictures: Pictures
    seconds: float
    average: Literal["set", "image"] = "set"

    @property
    def miou(self) -> float:
        """Mean IOU in [0, 1] of the whole set, or, where so asked, the mean over images of each one's own."""
        if self.average == "image":
            return image_mean_iou(self.matrices)
        return mean_iou(self.matrices.sum(axis=0, dtype=np.int64))

    @property
    def class_iou(self) -> list[float | None]:
        """IOU per class in [0, 1]; None for a class that occurs nowhere."""
        return [None if np.isnan(v) else float(v) for v in class_iou(self.matrices.sum(axis=0, dtype=np.int64))]


def on_canvas(images: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Pad normalised images (N, 3, H, W) at bottom and right with 0 to the canvas; InputError if they don't fit."""
    height, width = canvas
    bottom, right = height - images.shape[2], width - images.shape[3]
    if bottom < 0 or right < 0:
        raise InputError(
            f"evaluate.canvas: [{height}, {width}] is smaller than the images, {images.shape[2]} x {images.shape[3]}. "
            f"Set evaluate.canvas to at least that, or data.side to make the images smaller."
        )
    return functional.pad(images, (0, right, 0, bottom))


def measure(
    model: Model,
    classes: int,
    evaluates: Sequence[Evaluate],
    state: Mapping[str, Tensor],
    images: Images,
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Measured] | None:
    """Measure trained weights once for each of `evaluates`; None if asked to stop.

    They differ in what they score only (trimap, void, average): predictions are made once, as the first one says.
    Labels are compared at the images' own size. Raises InputError.
    """
    evaluate = evaluates[0]
    try:
        network = build(model, classes, evaluate.output_stride)
    except ValueError as error:
        raise InputError(f"evaluate.output_stride: {error}.") from error
    network.load_state_dict(dict(state))
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    void_marks_edges = any(one.trimap_px is not None for one in evaluates) and has_void(images)
    began = time.monotonic()
    kept = []
    matrices: list[list[npt.NDArray[np.int32]]] = [[] for _ in evaluates]
    for first in range(0, len(images.pixels), evaluate.batch_size):
        if should_stop():
            return None
        batch = slice(first, first + evaluate.batch_size)
        pixels = torch.from_numpy(np.ascontiguousarray(images.pixels[batch])).to(device)
        truth = torch.from_numpy(np.ascontiguousarray(images.labels[batch])).to(device)
        sizes = torch.from_numpy(np.ascontiguousarray(images.sizes[batch])).to(device)
        x = on_canvas(normalise(pixels), evaluate.canvas)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            scores = probabilities(network, x.contiguous(memory_format=torch.channels_last), evaluate)
        prediction = scores.argmax(dim=1)[:, : truth.shape[1], : truth.shape[2]]
        if evaluate.crf is not None:
            within = [(i, slice(0, h), slice(0, w)) for i, (h, w) in enumerate(images.sizes[batch].tolist())]
            marginals = refine([scores[i, :, h, w] for i, h, w in within], [pixels[at] for at in within], evaluate.crf)
            for at, image in zip(within, marginals, strict=True):
                prediction[at] = image.argmax(dim=0)
        for one, counts in zip(evaluates, matrices, strict=True):
            labels = scored(truth, sizes, one, void_marks_edges=void_marks_edges)
            counts.append(confusion(labels, prediction, classes).to(torch.int32).cpu().numpy())
        if first < PICTURES:
            kept.append(prediction[: PICTURES - first].to(torch.uint8).cpu().numpy())
    seconds = time.monotonic() - began
    pictures = _pictures(images, np.concatenate(kept))
    return [
        Measured(np.concatenate(counts), images.names, pictures, seconds, one.average)
        for one, counts in zip(evaluates, matrices, strict=True)
    ]


def _pictures(images: Images, predictions: npt.NDArray[np.uint8]) -> Pictures:
    """The first images, cut to the height and width of the largest among them."""
    count = min(PICTURES, len(predictions))
    height, width = images.sizes[:count].max(axis=0)
    cut = (slice(0, count), slice(0, int(height)), slice(0, int(width)))
    truth = np.asarray(images.labels[cut])
    prediction = predictions[cut].copy()
    inside = np.arange(height)[None, :, None] < images.sizes[:count, 0, None, None]
    inside = inside & (np.arange(width)[None, None, :] < images.sizes[:count, 1, None, None])
    prediction[~inside] = VOID
    return Pictures(np.asarray(images.pixels[cut]), truth, prediction, tuple(images.names[:count]))
