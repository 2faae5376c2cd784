"""One pass of predictions, scored in several ways: each as if it had been measured alone."""

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.evaluate import measure as module
from repro.evaluate.measure import SearchCache, measure
from repro.metrics import miou
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
    return PaddedSplit(rng.integers(0, 256, (5, 33, 33, 3), dtype=np.uint8), labels, sizes, tuple("abcde"))


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
        assert alone.metrics == found.metrics
    plain, trimap, background, image = together
    assert (trimap.matrices.sum((1, 2)) < plain.matrices.sum((1, 2))).all()
    inside = images.sizes.prod(axis=1)
    assert np.array_equal(background.matrices.sum((1, 2)), inside)
    assert np.array_equal(image.matrices, plain.matrices)
    assert image.metrics["miou"] == pytest.approx(np.mean([miou(m) for m in plain.matrices]))


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


SEARCHED = CRF(
    w1=(2, 6), sigma_alpha=20, sigma_beta=(10, 30), w2=1, sigma_gamma=1, iterations=2, search_images=3, refinements=0
)


def test_searched_parameters_are_those_that_measure(images, state, tmp_path):
    told = []
    evaluates = [Evaluate(canvas=(33, 33), batch_size=2, crf=SEARCHED, trimap_px=px) for px in (None, 2)]
    shop = SearchCache(tmp_path / "made" / "here", lambda *at: told.append(at))
    searched, band = measure(MODEL, 3, evaluates, state, images, CPU, search_cache=shop)
    assert told == [(2, 4), (4, 4)]
    best = searched.search.best
    chosen = {"w1": best.w1, "sigma_alpha": best.sigma_alpha, "sigma_beta": best.sigma_beta}
    assert searched.search.images == ("a", "b", "c")
    fixed = evaluates[0].model_copy(update={"crf": SEARCHED.model_copy(update=chosen)})
    (alone,) = measure(MODEL, 3, [fixed], state, images, CPU)
    assert alone.search is None
    assert np.array_equal(alone.matrices, searched.matrices)
    assert best.miou == pytest.approx(miou(alone.matrices[:3].sum(0)), abs=0.02)  # from half precision
    assert (searched.boundaries, band.boundaries) == (None, "void")
    again = measure(MODEL, 3, evaluates, state, images, CPU, search_cache=shop)
    assert again[0].search.trials == searched.search.trials
    assert len(told) == 2  # nothing is tried again


def test_a_search_can_be_stopped_while_it_predicts_and_while_it_tries(images, state, tmp_path):
    evaluate = Evaluate(canvas=(33, 33), batch_size=2, crf=SEARCHED)
    for calls in (0, 1, 3, 5):
        count = iter(range(100))
        stop = lambda c=count, n=calls: next(c) >= n  # noqa: E731
        assert measure(MODEL, 3, [evaluate], state, images, CPU, stop, SearchCache(tmp_path)) is None


def test_mean_field_is_kept_step_by_step(images, state):
    crf = SEARCHED.model_copy(update={"w1": 2.0, "sigma_beta": 10.0, "iterations": 3})
    (found,) = measure(MODEL, 3, [Evaluate(canvas=(33, 33), crf=crf)], state, images, CPU)
    kept = found.steps
    assert (kept.name, kept.iterations) == ("a", (0, 1, 2, 3))
    assert kept.label == np.bincount(images.labels[0][images.labels[0] != 255])[1:].argmax() + 1
    assert kept.scores.shape == kept.beliefs.shape == (4, 33, 33)
    own = found.pictures.prediction[0] == kept.label
    assert (kept.beliefs[-1][own] > 1 / 3 - 1e-3).all()
    assert (kept.beliefs[-1][~own] < 0.5 + 1e-3).all()
    assert not np.array_equal(kept.beliefs[0], kept.beliefs[-1])
    (plain,) = measure(MODEL, 3, [Evaluate(canvas=(33, 33))], state, images, CPU)
    assert plain.steps is None
