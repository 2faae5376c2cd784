"""One pass of predictions, scored in several ways: each as if it had been measured alone."""

import numpy as np
import pytest
import torch

from repro.data.images import Images
from repro.evaluate import measure as module
from repro.evaluate.confusion import mean_iou
from repro.evaluate.measure import measure
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import CRF, Evaluate, Model

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)
CPU = torch.device("cpu")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (5, 33, 33)).astype(np.uint8)
    labels[:, 10] = 255
    labels[3, 20:] = 255
    sizes = np.full((5, 2), 33, dtype=np.int32)
    sizes[3, 0] = 20
    return Images(rng.integers(0, 256, (5, 33, 33, 3), dtype=np.uint8), labels, sizes, tuple("abcde"))


@pytest.fixture
def state():
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    with torch.no_grad():
        network.head.classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
    return network.state_dict()


def test_measured_together_or_alone_is_the_same(images, state):
    base = Evaluate(canvas=(33, 33), batch_size=2)
    ways = [base.model_copy(update=u) for u in ({}, {"trimap_px": 2}, {"void": "background"}, {"average": "image"})]
    together = measure(MODEL, 3, ways, state, images, CPU)
    for way, found in zip(ways, together, strict=True):
        (alone,) = measure(MODEL, 3, [way], state, images, CPU)
        assert np.array_equal(alone.matrices, found.matrices)
        assert alone.miou == found.miou
    plain, trimap, background, image = together
    assert (trimap.matrices.sum((1, 2)) < plain.matrices.sum((1, 2))).all()
    inside = images.sizes.prod(axis=1)
    assert np.array_equal(background.matrices.sum((1, 2)), inside)
    assert np.array_equal(image.matrices, plain.matrices)
    assert image.miou == pytest.approx(np.mean([mean_iou(m) for m in plain.matrices]))


def test_the_crf_sees_each_image_without_its_padding(images, state, monkeypatch):
    seen = []

    def refine(probabilities, pixels, crf):
        seen.extend((tuple(p.shape), tuple(x.shape), crf.w1) for p, x in zip(probabilities, pixels, strict=True))
        return [torch.eye(3)[:, 1, None, None].expand(p.shape) for p in probabilities]

    monkeypatch.setattr(module, "refine", refine)
    crf = CRF(w1=6, sigma_alpha=20, sigma_beta=30)
    (found,) = measure(MODEL, 3, [Evaluate(canvas=(33, 33), batch_size=2, crf=crf)], state, images, CPU)
    assert seen == [((3, h, w), (h, w, 3), 6.0) for h, w in images.sizes.tolist()]
    assert found.matrices[:, :, [0, 2]].sum() == 0


def test_asked_to_stop_it_returns_nothing(images, state):
    assert measure(MODEL, 3, [Evaluate(canvas=(33, 33))], state, images, CPU, lambda: True) is None
