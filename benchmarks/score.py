"""Scoring files: `repro score` beside Pillow that only decodes them, and a loop with torchmetrics.

400 pairs of indexed PNGs of 500 x 375, 21 classes, void around blobs, written to a temporary folder (so they come from
the operating system's memory). Pillow decodes both files of every pair in as many threads as there are cores: no reader
is faster. torchmetrics' loop decodes and updates a `MulticlassJaccardIndex`, one value at the end; ours makes the
intervals, the other rules, the trimap curve and the confusion matrix as well.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from repro.cores import cores
from repro.data.label_form import LabelForm
from repro.data.threads import in_threads
from repro.scoring.pairs import LabelPair
from repro.scoring.result import score_pairs
from repro.scoring.tally import Reading

from .turns import Row, ratios, take_turns

CLASSES, PAIRS, HEIGHT, WIDTH = 21, 400, 375, 500


def bench(device: str) -> list[Row]:
    """Rows of ours, Pillow and torchmetrics, in pairs of files a second. The device plays no part."""
    del device
    with tempfile.TemporaryDirectory() as folder:
        pairs = _written(Path(folder))
        form = LabelForm(CLASSES)
        reading = Reading(CLASSES, form, form)
        names = [str(k) for k in range(CLASSES)]
        ours, theirs, pillow = "repro score", "torchmetrics' loop", "Pillow, decoding alone"
        contenders = {
            ours: lambda: score_pairs(pairs, reading, names, cores()),
            pillow: lambda: sum(1 for _ in in_threads(_decoded, pairs)),
        }
        note = ""
        try:
            from torchmetrics.classification import MulticlassJaccardIndex

            contenders[theirs] = lambda: _loop(MulticlassJaccardIndex, pairs)
        except ImportError:
            note = "torchmetrics is not installed: not compared with"
        seconds = take_turns(contenders, turns=3)
    rows = []
    for name, took in seconds.items():
        row = Row(name, PAIRS / statistics.median(took), "pairs/s")
        if name == ours:
            against = theirs if theirs in seconds else pillow
            ratio, low_high = ratios(took, seconds[against])
            floor = PAIRS / statistics.median(seconds[pillow])
            row = Row(
                name, PAIRS / statistics.median(took), "pairs/s", against=against, ratio=ratio, ratio_range=low_high,
                floor=floor, goal="at least as fast", met=ratio >= 1, note=note,
            )  # fmt: skip
        rows.append(row)
    return rows


def _written(folder: Path) -> list[LabelPair]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pairs = []
    for k in range(PAIRS):
        truth, answer = np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
        for _ in range(3):
            label, row, column = rng.integers(1, CLASSES), rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
            distance = np.hypot(y - row, x - column) - rng.integers(30, 90)
            truth[distance < 0] = label
            truth[np.abs(distance) < 3] = 255
            answer[np.hypot(y - row - 4, x - column) < rng.integers(30, 90)] = label
        paths = []
        for side, labels in (("prediction", answer), ("truth", truth)):
            picture = Image.fromarray(labels)
            picture.putpalette([value % 256 for value in range(768)])
            paths.append(folder / f"{side}-{k}.png")
            picture.save(paths[-1])
        pairs.append(LabelPair(str(k), *paths))
    return pairs


def _decoded(pair: LabelPair) -> int:
    for path in (pair.prediction, pair.truth):
        with Image.open(path) as image:
            image.load()
    return 2


def _loop(metric_class: type, pairs: list[LabelPair]) -> float:
    import torch

    metric = metric_class(CLASSES, ignore_index=255, validate_args=False)
    for pair in pairs:
        maps = []
        for path in (pair.prediction, pair.truth):
            with Image.open(path) as image:
                maps.append(torch.from_numpy(np.array(image)).long()[None])
        metric.update(*maps)
    return float(metric.compute())
