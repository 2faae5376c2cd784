"""Counting a folder of predictions: one pass over the files, memory for counts only.

What is kept of an image are its pixels by class (intersection, ground truth, prediction), from which intervals and the
rules that average over images follow; the confusion matrices are sums over the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data.format import Sample
from repro.data.images import ByteArray
from repro.data.label_form import LabelForm, read_labels
from repro.errors import InputError
from repro.scoring.matrix import VOID, Counts, count
from repro.scoring.pairs import LabelPair

BATCH = 16
"""Images that are counted together: the batches of "mean over batches", and a worker's piece of work."""
WIDEST = 40
"""Trimap widths are 1 to 40 px, as in v2 Fig. 10 and v3+ Fig. 5."""
HALF = 2
"""Labels are also scored at a half of their size, as where images and labels are resized together."""
WORTH_PROCESSES = 96
"""With fewer images, starting processes takes longer than counting."""


@dataclass(frozen=True)
class Reading:
    """How the two sides' files are read."""

    classes: int
    prediction: LabelForm
    truth: LabelForm
    read_sample: Callable[[Sample], ByteArray] | None = None
    """Reads the ground truth of a data set's sample."""
    unanswered: bool = False
    """Void in a prediction is a wrong answer; otherwise it is refused."""


@dataclass(frozen=True)
class Tally:
    """Counts of a batch of images, or of all of them. Rows are ground truth, columns predictions."""

    counts: Counts
    """(C + 1, C + 1) pixels; the last row is void in the ground truth, the last column no answer."""
    halved: Counts
    """(C, C + 1) pixels of label maps sampled at a half of their size."""
    images: NDArray[np.int32]
    """(N, 5, C) pixels of each image: right, ground truth, prediction, void by what was predicted there, and all void
    (in the first place)."""
    batches: Counts
    """(B, 3, C): right, ground truth, prediction of each batch."""
    bands: Counts
    """(WIDEST, C, C + 1) pixels at most w + 1 away from void, by w."""
    edges: Counts
    """The same for class transitions: what stands in where no label holds void."""
    has_void: bool


def tally(pairs: Sequence[LabelPair], reading: Reading, jobs: int, progress: Callable[[int], None]) -> Tally:
    """Count all pairs; `progress` is called with the number of images of each finished batch.

    The result does not depend on `jobs`. Raises InputError for the first file that is wrong, in the pairs' order.
    """
    work = partial(tally_batch, reading=reading)
    groups = [pairs[k : k + BATCH] for k in range(0, len(pairs), BATCH)]
    total = None
    for part in _each(work, groups, jobs if len(pairs) >= WORTH_PROCESSES else 1):
        total = part if total is None else _joined(total, part)
        progress(len(part.images))
    if total is None:
        raise InputError("PREDICTIONS: there are no images to score. Give some.")
    return _finished(total)


def _each(
    work: Callable[[Sequence[LabelPair]], Tally], groups: list[Sequence[LabelPair]], jobs: int
) -> Iterator[Tally]:
    if jobs == 1:
        yield from map(work, groups)
        return
    # spawned: a fork of a process with threads (progress bars, torch) may hang
    pool = ProcessPoolExecutor(min(jobs, len(groups)), mp_context=get_context("spawn"))
    try:
        yield from pool.map(work, groups)
    finally:
        pool.shutdown(cancel_futures=True)


def tally_batch(pairs: Sequence[LabelPair], reading: Reading) -> Tally:
    """Count the images of one batch."""
    parts = [_tally_image(pair, reading) for pair in pairs]
    total = parts[0]
    for part in parts[1:]:
        total = _joined(total, part)
    return _with_batch(total)


def tally_arrays(
    pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]], classes: int, void: int = VOID
) -> tuple[Tally, int]:
    """Count (prediction, ground truth) label maps (H, W) of integers; return the counts and the number of images.

    Raises ValueError for shapes that differ, labels that are neither a class nor void, and where there are no images.
    """
    total: Tally | None = None
    batch: Tally | None = None
    images = 0
    for prediction, truth in pairs:
        count(prediction, truth, classes, void)  # refuses what the rule does not know
        right = np.where(truth == void, VOID, truth)
        answer = np.where((prediction >= 0) & (prediction < classes), prediction, VOID)
        part = _tally_labels(right.astype(np.uint8), answer.astype(np.uint8), classes)
        batch = part if batch is None else _joined(batch, part)
        images += 1
        if images % BATCH == 0:
            total, batch = _with(total, batch), None
    if batch is not None:
        total = _with(total, batch)
    if total is None:
        raise ValueError("no images to score")
    return _finished(total), images


def _with(total: Tally | None, batch: Tally) -> Tally:
    return _with_batch(batch) if total is None else _joined(total, _with_batch(batch))


def _tally_image(pair: LabelPair, reading: Reading) -> Tally:
    return _tally_labels(*read_pair(pair, reading), reading.classes)


def _tally_labels(truth: ByteArray, prediction: ByteArray, classes: int) -> Tally:
    columns = classes + 1
    bins = columns**2
    void = truth == VOID
    marks = void if (has_void := bool(void.any())) else _transitions(truth)
    # one number a pixel, (distance, ground truth, prediction) in mixed radix; void and no answer are the last class
    kind: Any = np.uint16 if (WIDEST + 2) * bins <= 2**16 else np.uint32
    deep = chessboard(marks, WIDEST).astype(kind) * kind(bins)
    deep += np.minimum(truth, classes).astype(kind) * kind(columns)
    deep += np.minimum(prediction, classes)
    by_distance = np.bincount(deep.ravel(), minlength=bins * (WIDEST + 2)).reshape(WIDEST + 2, columns, -1)
    counts = by_distance.sum(axis=0)
    band = by_distance[:, :classes].cumsum(axis=0)[1 : WIDEST + 1]
    nothing = np.zeros_like(band)
    small = deep[HALF // 2 :: HALF, HALF // 2 :: HALF] % kind(bins)
    halved = np.bincount(small.ravel(), minlength=bins).reshape(classes + 1, -1)[:classes]
    rows = np.zeros((1, 5, classes), np.int32)
    rows[0, :3] = _sums(counts[:classes])
    rows[0, 3] = counts[classes, :classes]
    rows[0, 4, 0] = counts[classes].sum()
    empty = np.zeros((0, 3, classes), np.int64)
    return Tally(
        counts, halved, rows, empty, band if has_void else nothing, nothing if has_void else band, has_void
    )  # fmt: skip


def read_pair(pair: LabelPair, reading: Reading) -> tuple[ByteArray, ByteArray]:
    """Return ground truth and prediction, (H, W) uint8, 255 for void; InputError where they do not fit."""
    if pair.sample is not None and reading.read_sample is not None:
        truth = reading.read_sample(pair.sample)
    else:
        truth = read_labels(pair.truth, reading.truth)
    prediction = read_labels(pair.prediction, reading.prediction)
    if truth.shape != prediction.shape:
        raise InputError(
            f"{pair.prediction}: {_size(prediction)} pixels, but its ground truth {pair.truth} has {_size(truth)}. "
            "Make it at the ground truth's size: resize the scores before the largest is taken."
        )
    if not reading.unanswered and ((prediction == VOID) & (truth != VOID)).any():
        row, column = (int(k) for k in np.argwhere((prediction == VOID) & (truth != VOID))[0])
        raise InputError(
            f"{pair.prediction}: no class at row {row}, column {column} (void), where there is ground truth. The rule "
            "knows no such answer. Give one, or count it as wrong with --unanswered."
        )
    return truth, prediction


def _size(labels: ByteArray) -> str:
    return f"{labels.shape[1]} x {labels.shape[0]}"


def _sums(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """(C, C + 1) pixels -> (3, C): right, ground truth, prediction."""
    classes = len(counts)
    return np.stack([np.diagonal(counts), counts.sum(axis=1), counts[:, :classes].sum(axis=0)])


def _joined(first: Tally, second: Tally) -> Tally:
    return Tally(
        first.counts + second.counts,
        first.halved + second.halved,
        np.concatenate([first.images, second.images]),
        np.concatenate([first.batches, second.batches]),
        first.bands + second.bands,
        first.edges + second.edges,
        first.has_void or second.has_void,
    )


def _with_batch(total: Tally) -> Tally:
    classes = total.counts.shape[0] - 1
    own = _sums(total.counts[:classes])[None]
    return Tally(total.counts, total.halved, total.images, own, total.bands, total.edges, total.has_void)


def _finished(total: Tally) -> Tally:
    """Where any label holds void, images without void add nothing to bands: there is nothing to lie around."""
    bands = total.bands if total.has_void else total.edges
    return Tally(total.counts, total.halved, total.images, total.batches, bands, total.edges, total.has_void)


def chessboard(marks: NDArray[np.bool_], farthest: int) -> ByteArray:
    """(H, W) -> uint8 distance to the nearest mark along the axis where it is farther, at most `farthest` + 1.

    Pixels at most w away are those that a square of side 2 w + 1 around a mark reaches.
    """
    from scipy.ndimage import distance_transform_cdt

    if not marks.any():
        return np.full(marks.shape, farthest + 1, np.uint8)
    distance = distance_transform_cdt(~marks, "chessboard")
    return np.asarray(np.minimum(distance, farthest + 1), np.uint8)


def _transitions(labels: ByteArray) -> NDArray[np.bool_]:
    """(H, W): pixels with a neighbour (above, below, left, right) of another class; there is no void here."""
    edge = np.zeros(labels.shape, bool)
    for pair, other in (
        ((slice(1, None),), (slice(None, -1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        change = labels[pair] != labels[other]
        edge[pair] |= change
        edge[other] |= change
    return edge
