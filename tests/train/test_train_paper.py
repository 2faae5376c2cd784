"""Two iterations of the published protocol itself, at full size on a CPU: `tox -e slow`.

Everything is as resolved at scale paper (network, crop, optimiser, losses, augmentation, canvas) but for the images,
which are noise, and the start, which is random. One cell has the protocol's own batch, 16 images, two at a time as
`--micro-batch 2` takes them: all at once do not fit into a common machine's memory, and two are the fewest that image
pooling's batch normalisation takes. The others' batches are two images, for time.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.evaluate.measure import measure
from repro.run.remarks import remarks
from repro.spec.load import load_suite
from repro.spec.resolve import resolve
from repro.train.context import TrainingContext
from repro.train.training import train

SIZES = [(375, 500), (500, 333), (281, 500)]


def _photographs(classes: int) -> PaddedSplit:
    """Noise in the sizes of VOC's photographs, every class in blocks, void lines between."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((3, 500, 500, 3), dtype=np.uint8)
    labels = np.full((3, 500, 500), 255, dtype=np.uint8)
    for image, truth, (h, w) in zip(pixels, labels, SIZES, strict=True):
        image[:h, :w] = rng.integers(0, 256, (h, w, 3))
        blocks = rng.integers(0, classes, (h // 50 + 1, w // 50 + 1)).astype(np.uint8)
        truth[:h, :w] = np.kron(blocks, np.ones((50, 50), dtype=np.uint8))[:h, :w]
        truth[:h:50, :w] = 255
    return PaddedSplit(pixels, labels, np.array(SIZES, dtype=np.int32), ("a", "b", "c"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "row", "crop", "batch"),
    [
        ("v3/table6", "OS=16", 513, 16),
        ("v3/table3", "(1, 2, 1)", 513, 2),
        ("v3plus/table3", "train OS 16, eval OS 16, Decoder", 513, 2),
        ("v3plus/table5", "eval OS 16, Decoder, SC", 513, 2),
        ("v2/table4", "MSC, COCO, Aug, ASPP", 321, 2),
        ("v2/table1", "3×3, Rate 12", 321, 2),
    ],
)
def test_two_iterations_of_the_published_protocol(table: str, row: str, crop: int, batch: int) -> None:
    suite = load_suite(None)
    spec = suite.find(table)
    cell = [c for c in spec.cells() if c.kind == "measured" and c.row_label == row and "after" not in c.column_label][
        -1
    ]
    protocol = resolve(suite, spec, cell.settings, "paper").protocol
    assert protocol.train.crop == crop
    assert protocol.model.width == 64
    own = protocol.train.batch_size
    assert batch in (2, own)
    at_once = {"batch_size": batch, "micro_batch": 2 if batch > 2 else None}
    settings = protocol.train.model_copy(update={**at_once, "iterations": 2, "precision": "float32"})
    model = protocol.model
    if settings.batch_norm == "frozen":
        # frozen batch normalisation expects a file's statistics; without them activations grow from unit to unit
        model = model.model_copy(update={"residual_gamma": 0.2})
    images = _photographs(protocol.data.classes)
    classes, cpu = protocol.data.classes, torch.device("cpu")
    found = train(model, classes, images, None, TrainingContext(settings, 0, cpu))
    assert [(one.from_step, one.processes, one.micro_batch) for one in found.layouts] == [(0, 1, 2)]
    assert bool(remarks(settings, found.layouts)) == (batch > 2)
    assert len(found.curve.loss) == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in found.curve.loss)
    assert all(torch.isfinite(tensor).all() for tensor in found.state.values())
    evaluate = protocol.evaluate.model_copy(update={"batch_size": 1, "crf": None, "precision": "float32"})
    one = PaddedSplit(images.pixels[:1], images.labels[:1], images.sizes[:1], images.names[:1])
    measured = measure(model, classes, [evaluate], found.state, one, cpu)
    assert measured is not None
    counted = measured[0].matrices
    assert counted.sum() == (one.labels != 255).sum()
