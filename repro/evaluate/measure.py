"""One evaluation: every image of a split through a trained network, a confusion matrix for each."""

from __future__ import annotations

import hashlib
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from repro.data.augment import normalise
from repro.data.images import PaddedSplit
from repro.data.transfer import onto, to_host
from repro.errors import InputError
from repro.evaluate.adaptive_batches import AdaptiveBatch, in_adaptive_batches
from repro.evaluate.canvas import outside, place, put_back, windows
from repro.evaluate.confusion import VOID, check_labels, label_counts, predicted
from repro.evaluate.crf import refine
from repro.evaluate.inference import probabilities
from repro.evaluate.probabilities import StoredProbabilities
from repro.evaluate.region import distances, has_void, scored
from repro.evaluate.search import SearchImage, SearchResult, search
from repro.evaluate.steps import Steps, steps
from repro.metrics import class_iou, measured_values
from repro.nets.build import build
from repro.nets.deeplab import set_resizing
from repro.nets.fold import fold_batch_norm
from repro.nets.precision import autocast
from repro.nets.resize import scaled_side
from repro.nets.trust import trusted
from repro.spec.protocol import CRF, Evaluate, Model, Precision
from repro.spec.sliding import passes_of

PICTURES = 4
"""The first images of the split are kept as pictures: fixed before any result is seen."""


@dataclass(frozen=True)
class KeptImages:
    """The kept images: image (K, H, W, 3), truth and prediction (K, H, W)."""

    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    prediction: npt.NDArray[np.uint8]
    names: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredSplit:
    """What an evaluation leaves."""

    matrices: npt.NDArray[np.int32]
    """(N, C, C) [image, truth, prediction]."""
    names: tuple[str, ...]
    pictures: KeptImages
    seconds: float
    average: Literal["set", "image"] = "set"
    search: SearchResult | None = None
    """How the CRF's parameters were found, where they were searched."""
    boundaries: Literal["void", "transitions"] | None = None
    """What a trimap's band lies around; None where all pixels are scored."""
    steps: Steps | None = None
    """Mean field on the first image, where a CRF follows the network."""
    batches: tuple[AdaptiveBatch, ...] = ()
    """How many images were taken at once, from which image on."""
    precision: Precision = "float32"
    """Of convolutions and products."""

    @property
    def metrics(self) -> dict[str, float]:
        """The suite's metrics by name, in [0, 1], of the whole set, or, where so asked, means over images."""
        return measured_values(self.matrices, self.average)

    @property
    def class_iou(self) -> list[float | None]:
        """IOU per class in [0, 1]; None for a class that occurs nowhere."""
        return [None if np.isnan(v) else float(v) for v in class_iou(self.matrices.sum(axis=0, dtype=np.int64))]


@dataclass(frozen=True)
class SearchCache:
    """Where a search keeps what it may need again, and whom it tells how far it is."""

    folder: Path
    """For these predictions and no others; made where it lacks."""
    on_trial: Callable[[int, int], None] = lambda _done, _of: None
    """Combinations done, of at most how many."""
    warn: Callable[[str], None] = lambda _text: None
    """What was damaged there, and is made again."""


def measure(
    model: Model,
    classes: int,
    evaluates: Sequence[Evaluate],
    state: Mapping[str, Tensor],
    images: PaddedSplit,
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
    search_cache: SearchCache | None = None,
    warn: Callable[[str], None] = lambda text: warnings.warn(text, stacklevel=2),
) -> list[MeasuredSplit] | None:
    """Measure trained weights once for each of `evaluates`; None if asked to stop.

    They differ in what they score only (trimap, void, average): predictions are made once, as the first one says.
    Labels are compared at the images' own size. CRF parameters given as lists are searched first. `tell` hears where
    bfloat16 cannot be trusted. Raises InputError.
    """
    evaluate = evaluates[0]
    try:
        network = build(_tested(model, evaluate), classes, evaluate.output_stride)
    except ValueError as error:
        raise InputError(f"evaluate.output_stride: {error}.") from error
    set_resizing(network, align_corners=evaluate.align_corners, pooling_share=_pooling_share(evaluate))
    views = windows(images.sizes.tolist(), evaluate)
    network.load_state_dict(dict(state))
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cuda":
        fold_batch_norm(network)
    height, width = evaluate.canvas
    scaled = [(scaled_side(height, s), scaled_side(width, s)) for s in evaluate.scales]
    seen = [passes_of(size, evaluate.window, evaluate.window_stride)[1] for size in scaled]
    sizes = [(evaluate.batch_size, *size) for size in seen]
    numbers = trusted(network, device, evaluate.precision, sizes, warn, learning=False)
    evaluate = evaluate.model_copy(update={"precision": numbers})
    widest = max((settings.trimap_px for settings in evaluates if settings.trimap_px is not None), default=0)
    void_marks_edges = widest > 0 and has_void(images)
    began = time.monotonic()
    crf, searched = evaluate.crf, None
    mean_field_steps: Steps | None = None
    if crf is not None and crf.searched:
        searched = _searched(network, images, classes, evaluate, crf, device, should_stop, search_cache)
        if searched is None:
            return None
        best = searched.best
        best_settings = {"w1": best.w1, "sigma_alpha": best.sigma_alpha, "sigma_beta": best.sigma_beta}
        crf = crf.model_copy(update=best_settings)
    kept: list[npt.NDArray[np.uint8]] = []
    matrices: list[list[npt.NDArray[np.int32]]] = [[] for _ in evaluates]

    def one_batch(batch: slice) -> None:
        nonlocal mean_field_steps
        truth, sizes = onto(images.labels[batch], device), onto(images.sizes[batch], device)
        pixels, scores = _scores(network, images, batch, evaluate, device)
        prediction = predicted(scores, dim=1)
        unseen = outside(views[batch], (truth.shape[1], truth.shape[2]), device)
        shown_steps = mean_field_steps
        if crf is not None:
            within = [(i, slice(0, h), slice(0, w)) for i, (h, w) in enumerate(images.sizes[batch].tolist())]
            cut = [scores[i, :, h, w] for i, h, w in within]
            marginals = refine(cut, [pixels[at] for at in within], crf)
            for at, image in zip(within, marginals, strict=True):
                prediction[at] = predicted(image, dim=0)
            if batch.start == 0:
                shown = images.labels[within[0]]
                shown_steps = steps(images.names[0], cut[0], pixels[within[0]], shown, crf)
        distance = distances(truth, sizes, widest, void_marks_edges=void_marks_edges) if widest else None
        counted = []
        for settings in evaluates:
            labels = scored(truth, sizes, settings, distance).masked_fill(unseen, VOID)
            counted.append(label_counts(labels, prediction, classes).to(torch.int32))
        shown_labels = prediction[: max(0, PICTURES - batch.start)].to(torch.uint8)
        *found_counts, shown_map = to_host([*counted, shown_labels])
        # memory can run out up to here; nothing was kept before
        for counts, found_count in zip(matrices, found_counts, strict=True):
            check_labels(bool(found_count[:, classes:VOID].any()), classes)
            counts.append(found_count[:, :classes].copy())
        mean_field_steps = shown_steps
        if batch.start < PICTURES:
            kept.append(shown_map)

    batches = in_adaptive_batches(len(images.pixels), evaluate.batch_size, one_batch, should_stop)
    if batches is None:
        return None
    seconds = time.monotonic() - began
    pictures = _pictures(images, np.concatenate(kept))
    around: Literal["void", "transitions"] = "void" if void_marks_edges else "transitions"
    return [
        MeasuredSplit(
            np.concatenate(counts),
            images.names,
            pictures,
            seconds,
            settings.average,
            search=searched,
            boundaries=around if settings.trimap_px is not None else None,
            steps=mean_field_steps,
            batches=tuple(batches),
            precision=numbers,
        )
        for settings, counts in zip(evaluates, matrices, strict=True)
    ]


def _scores(
    network: nn.Module, images: PaddedSplit, batch: slice, evaluate: Evaluate, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A batch's pixels (N, H, W, 3) uint8, and probabilities (N, C, H, W) float32 of them."""
    pixels = onto(images.pixels[batch], device)
    views = windows(images.sizes[batch].tolist(), evaluate)
    x = place(normalise(pixels), views, evaluate).contiguous(memory_format=torch.channels_last)
    with autocast(device, evaluate.precision):
        scores = probabilities(network, x, evaluate, [view.seen for view in views])
    return pixels, put_back(scores, views, (pixels.shape[1], pixels.shape[2]), evaluate)


def _tested(model: Model, evaluate: Evaluate) -> Model:
    """The network as it is given images at test."""
    return model if evaluate.input == "as_trained" else model.model_copy(update={"input": evaluate.input})


def _pooling_share(evaluate: Evaluate) -> tuple[float, float] | None:
    """Which share of the map's sides a window of image pooling has, at every scale."""
    if evaluate.pooling_px is None:
        return None
    height, width = ((evaluate.pooling_px - 1) / max(side - 1, 1) for side in evaluate.canvas)
    return min(height, 1.0), min(width, 1.0)


def _searched(
    network: nn.Module,
    images: PaddedSplit,
    classes: int,
    evaluate: Evaluate,
    crf: CRF,
    device: torch.device,
    should_stop: Callable[[], bool],
    search_cache: SearchCache | None,
) -> SearchResult | None:
    """The CRF's parameters, searched on the first images; None if asked to stop."""
    if search_cache is None:
        with tempfile.TemporaryDirectory() as folder:
            own = SearchCache(Path(folder))
            return _searched(network, images, classes, evaluate, crf, device, should_stop, own)
    count = min(crf.search_images, len(images.names))
    sizes = [(slice(0, h), slice(0, w)) for h, w in images.sizes[:count].tolist()]

    def predict(batch: slice) -> list[Tensor]:
        _, scores = _scores(network, images, batch, evaluate, device)
        return [image[:, h, w] for image, (h, w) in zip(scores, sizes[batch], strict=True)]

    kept = StoredProbabilities(search_cache.folder, count, search_cache.warn)
    if not kept.fill(predict, evaluate.batch_size, should_stop):
        return None
    samples = [
        SearchImage(
            images.names[k],
            partial(kept.read, k),
            np.ascontiguousarray(images.pixels[k][cut]),
            np.ascontiguousarray(images.labels[k][cut]),
        )
        for k, cut in enumerate(sizes)
    ]
    digest = hashlib.sha256(crf.model_dump_json().encode()).hexdigest()[:20]
    notes = search_cache.folder / f"search-{digest}.json"
    return search(samples, classes, crf, device, notes, should_stop, search_cache.on_trial, search_cache.warn)


def _pictures(images: PaddedSplit, predictions: npt.NDArray[np.uint8]) -> KeptImages:
    """The first images, cut to the height and width of the largest among them."""
    count = min(PICTURES, len(predictions))
    height, width = images.sizes[:count].max(axis=0)
    cut = (slice(0, count), slice(0, int(height)), slice(0, int(width)))
    truth = np.asarray(images.labels[cut])
    prediction = predictions[cut].copy()
    inside = np.arange(height)[None, :, None] < images.sizes[:count, 0, None, None]
    inside = inside & (np.arange(width)[None, None, :] < images.sizes[:count, 1, None, None])
    prediction[~inside] = VOID
    return KeptImages(np.asarray(images.pixels[cut]), truth, prediction, tuple(images.names[:count]))
