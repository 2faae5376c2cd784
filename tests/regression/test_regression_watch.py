"""What an evaluation takes its predictions from: it shows a fault that predictions hide."""

import itertools

import numpy as np
import torch

from repro.data.images import PaddedSplit
from repro.evaluate import measure as measuring
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.regression.compare import FACTOR, FLOOR
from repro.regression.sketch import Sketcher
from repro.regression.watch import watching_probabilities
from repro.spec.protocol import CRF, Evaluate, Model

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)
FLIPPED = Evaluate(canvas=(33, 33), batch_size=2, scales=(0.5, 1.0), flip=True)
NAME = "class probabilities, mean of all passes"
ROUNDING = 3e-7
"""Of probabilities, the largest that other kernels were seen to make."""


def measured(evaluate):
    """Matrices and sketches of a network that calls every pixel class 0."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (3, 33, 33)).astype(np.uint8)
    pixels = rng.integers(0, 256, (3, 33, 33, 3), dtype=np.uint8)
    images = PaddedSplit(pixels, labels, np.full((3, 2), 33, np.int32), tuple("abc"))
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    with torch.no_grad():
        network.head.classifier.bias[0] = 5
    with watching_probabilities() as seen:
        (found,) = measuring.measure(MODEL, 3, [evaluate], network.state_dict(), images, torch.device("cpu"))
    return found.matrices, {name: one.sketch for name, one in seen.items()}


def test_a_flip_that_is_not_undone_shows_though_every_pixel_is_called_one_class(monkeypatch):
    right, before = measured(FLIPPED)
    _, again = measured(FLIPPED)
    assert before == again
    real = measuring.probabilities

    def kept(network, *rest):
        calls = itertools.count()
        return real(lambda x: network(x).flip(3) if next(calls) % 2 else network(x), *rest)

    monkeypatch.setattr(measuring, "probabilities", kept)
    wrong, after = measured(FLIPPED)
    assert np.array_equal(wrong, right)
    assert right[:, :, 1:].sum() == 0
    assert before[NAME].distance(after[NAME]) > max(FACTOR * ROUNDING, FLOOR)


def test_what_the_crf_makes_of_them_is_seen_too():
    crf = CRF(w1=4.0, sigma_alpha=20.0, sigma_beta=5.0, iterations=2)
    _, seen = measured(FLIPPED.model_copy(update={"crf": crf, "flip": False}))
    assert list(seen) == [NAME, "class probabilities after the CRF"]
    # each pixel's probabilities add up to 1
    flat = np.full((3, 3, 33, 33), 1 / 3)
    least = Sketcher().add("image 0", flat).sketch.norm
    assert all(least < one.norm < np.sqrt(3 * 33 * 33) for one in seen.values())


def test_the_evaluation_is_left_as_it_was():
    before = measuring.predicted
    measured(FLIPPED.model_copy(update={"flip": False}))
    assert measuring.predicted is before
