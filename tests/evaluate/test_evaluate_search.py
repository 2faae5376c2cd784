"""The search for CRF parameters: what is tried, what is chosen, and that it can be stopped and gone on with."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from repro.errors import InputError
from repro.evaluate import search as module
from repro.evaluate.confusion import confusion
from repro.evaluate.crf import refine
from repro.evaluate.probabilities import StoredProbabilities
from repro.evaluate.search import SearchImage, Trial, around, best_of, coarse, search
from repro.metrics import miou
from repro.spec.protocol import CRF

CPU = torch.device("cpu")
LISTED = CRF(
    w1=(2.0, 4.0), sigma_alpha=(6.0, 12.0), sigma_beta=(10.0, 20.0), w2=1, sigma_gamma=1, iterations=3, refinements=0
)
CLASSES = 3


@pytest.fixture(scope="module")
def samples():
    """Three images of two colours and a stripe, with probabilities that are noisy and coarse."""
    out = []
    for k, (height, width) in enumerate([(24, 30), (30, 24), (20, 20)]):
        generator = torch.Generator().manual_seed(k)
        truth = torch.zeros(height, width, dtype=torch.long)
        truth[:, width // 2 :] = 1
        truth[height // 3 : height // 3 + 4] = 2
        colours = torch.tensor([[60, 70, 80], [150, 140, 130], [90, 160, 90]])[truth]
        pixels = (colours + 8 * torch.randn(height, width, 3, generator=generator)).clamp(0, 255).to(torch.uint8)
        scores = 1.5 * torch.eye(CLASSES)[truth].permute(2, 0, 1) + torch.randn(
            CLASSES, height, width, generator=generator
        )
        probabilities = scores.softmax(0).half().numpy()
        labels = truth.to(torch.uint8).numpy().copy()
        labels[:2] = 255
        out.append(SearchImage(f"image {k}", lambda p=probabilities: p, pixels.numpy(), labels))
    return out


def _by_hand(samples, one, crf):
    """Mean IOU of one combination, by `refine` alone."""
    fixed = crf.model_copy(update=dict(zip(("w1", "sigma_alpha", "sigma_beta"), one, strict=True)))
    total = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for sample in samples:
        (marginals,) = refine(
            [torch.from_numpy(sample.probabilities()).float()], [torch.from_numpy(sample.pixels)], fixed
        )
        total += confusion(torch.from_numpy(sample.truth)[None], marginals.argmax(0)[None], CLASSES)[0].numpy()
    return float(miou(total))


def test_every_combination_scores_as_by_hand_and_the_best_wins(samples, tmp_path):
    told = []
    found = search(samples, CLASSES, LISTED, CPU, tmp_path / "notes", on_trial=lambda *at: told.append(at))
    assert {t.combination for t in found.trials} == set(itertools.product((2, 4), (6, 12), (10, 20)))
    expected = {one: _by_hand(samples, one, LISTED) for one in coarse(LISTED)}
    assert {t.combination: t.miou for t in found.trials} == expected
    assert found.best.miou == max(expected.values())
    assert len(set(expected.values())) > 1
    assert found.images == ("image 0", "image 1", "image 2")
    assert told == [(2, 8), (4, 8), (6, 8), (8, 8)]


def test_images_in_batches_as_on_a_gpu_score_the_same(samples, tmp_path, monkeypatch):
    alone = search(samples, CLASSES, LISTED, CPU, tmp_path / "alone")
    asked = []

    def batches(pixels, columns):
        asked.append(columns)
        yield from (slice(0, 2), slice(2, len(pixels)))

    monkeypatch.setattr(module, "batches", batches)
    assert search(samples, CLASSES, LISTED, CPU, tmp_path / "together").trials == alone.trials
    assert set(asked) == {CLASSES * len(LISTED.w1)}  # memory is for all w1 at once


def test_refinement_looks_around_the_best_so_far(samples, tmp_path):
    crf = LISTED.model_copy(update={"refinements": 2})
    found = search(samples, CLASSES, crf, CPU, tmp_path / "notes")
    for level, step in ((1, (1.0, 3.0, 5.0)), (2, (0.5, 1.5, 2.5))):
        earlier = best_of(t for t in found.trials if t.round < level)
        own = [t for t in found.trials if t.round == level]
        assert own
        for trial in own:
            moved = np.abs(np.subtract(trial.combination, earlier.combination)) / step
            assert set(moved) <= {0.0, 1.0}
    assert len({t.combination for t in found.trials}) == len(found.trials) <= crf.combinations
    assert found.best.miou >= best_of(t for t in found.trials if t.round == 0).miou


def test_stopped_and_gone_on_with_it_finds_the_same(samples, tmp_path):
    crf = LISTED.model_copy(update={"refinements": 1})
    whole = search(samples, CLASSES, crf, CPU, tmp_path / "whole")
    for calls in (1, 4, 14, 20):
        count = itertools.count()
        notes = tmp_path / f"stopped {calls}"
        assert search(samples, CLASSES, crf, CPU, notes, lambda c=count, n=calls: next(c) >= n) is None
        tried = []
        found = search(samples, CLASSES, crf, CPU, notes, on_trial=lambda done, _of, t=tried: t.append(done))
        assert found.trials == whole.trials
        assert tried == sorted(set(tried))
        if calls > 3:
            assert tried[0] > 2  # what was tried before is not tried again


def test_damaged_notes_are_made_anew(samples, tmp_path):
    crf = LISTED.model_copy(update={"sigma_alpha": 6.0, "sigma_beta": 10.0})
    notes = tmp_path / "notes"
    found = search(samples, CLASSES, crf, CPU, notes)
    again = json.loads(notes.read_text())
    assert [t["miou"] for t in again["trials"]] == [t.miou for t in found.trials]
    notes.write_text(notes.read_text()[:40])
    assert search(samples, CLASSES, crf, CPU, notes).trials == found.trials


def test_both_backends_choose_the_same(samples, tmp_path):
    pytest.importorskip("pydensecrf.densecrf")
    theirs = LISTED.model_copy(update={"backend": "pydensecrf", "normalization": "symmetric"})
    ours = theirs.model_copy(update={"backend": "torch"})
    a, b = (search(samples, CLASSES, crf, CPU, tmp_path / crf.backend) for crf in (theirs, ours))
    assert a.best.combination == b.best.combination
    for one, other in zip(a.trials, b.trials, strict=True):
        assert one.miou == pytest.approx(other.miou, abs=2e-3)


def test_of_equals_the_first_wins_and_nothing_scored_loses():
    trials = [Trial(1, 1, 1, math.nan, 0), Trial(2, 1, 1, 0.5, 0), Trial(3, 1, 1, 0.5, 0), Trial(4, 1, 1, 0.0, 0)]
    assert best_of(trials).w1 == 2
    assert best_of([trials[0], trials[3]]).w1 == 4


def test_images_without_a_scored_pixel_are_recorded_as_unknown(samples, tmp_path):
    crf = LISTED.model_copy(update={"sigma_alpha": 6.0, "sigma_beta": 10.0})
    void = [SearchImage(s.name, s.probabilities, s.pixels, np.full_like(s.truth, 255)) for s in samples]
    notes = tmp_path / "notes"
    assert math.isnan(search(void, CLASSES, crf, CPU, notes).best.miou)
    assert all(math.isnan(t.miou) for t in search(void, CLASSES, crf, CPU, notes).trials)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"truth": s.truth.T}, r"image 0: truth \(30, 24\) and image \(24, 30, 3\) differ in size"),
        (lambda s: {"probabilities": lambda: s.probabilities()[:, 1:]}, "do not belong together"),
        (lambda s: {"probabilities": lambda: s.probabilities() * np.float16(np.nan)}, "NaN comes from a training"),
    ],
)
def test_wrong_images_are_refused(samples, tmp_path, change, message):
    wrong = [dataclasses.replace(samples[0], **change(samples[0])), *samples[1:]]
    with pytest.raises(InputError, match=message):
        search(wrong, CLASSES, LISTED, CPU, tmp_path / "notes")


def test_one_class_is_always_right(samples, tmp_path):
    certain = [
        dataclasses.replace(
            s, probabilities=lambda t=s.truth: np.ones((1, *t.shape), np.float16), truth=np.zeros_like(s.truth)
        )
        for s in samples
    ]
    assert {t.miou for t in search(certain, 1, LISTED, CPU, tmp_path / "notes").trials} == {1.0}


def test_the_papers_grid():
    grid = coarse(CRF())
    assert len(grid) == 4 * 8 * 4
    assert {one[0] for one in grid} == {3, 4, 5, 6}
    assert {one[1] for one in grid} == set(range(30, 101, 10))
    assert {one[2] for one in grid} == {3, 4, 5, 6}
    assert (CRF().w2, CRF().sigma_gamma, CRF().search_images, CRF().iterations) == (3, 3, 100, 10)
    assert set(around((4, 30, 6), CRF(), 1)) == set(itertools.product((3.5, 4, 4.5), (25, 30, 35), (5.5, 6, 6.5)))
    assert CRF().combinations == 128 + 26


numbers = st.floats(0.5, 200, allow_nan=False)


@given(
    st.lists(numbers, min_size=1, max_size=5, unique=True),
    st.lists(numbers, min_size=1, max_size=5, unique=True),
    numbers,
    st.data(),
    st.integers(1, 4),
)
def test_neighbours_are_positive_few_and_hold_the_best(w1, sigma_alpha, sigma_beta, data, level):
    crf = CRF(w1=tuple(w1), sigma_alpha=tuple(sigma_alpha), sigma_beta=sigma_beta)
    best = (data.draw(st.sampled_from(w1)), data.draw(st.sampled_from(sigma_alpha)), sigma_beta)
    near = around(best, crf, level)
    assert best in near
    assert len(near) <= 9
    assert all(min(one) > 0 for one in near)
    assert all(one[2] == sigma_beta for one in near)
    if len(w1) == 1:
        assert {one[0] for one in near} == set(w1)


def test_probabilities_are_made_once(tmp_path):
    made = []

    def predict(batch):
        made.append(batch)
        return [torch.full((2, 3, 4), k / 10) for k in range(batch.start, batch.stop)]

    kept = StoredProbabilities(tmp_path / "a" / "b", 5)
    stops = iter([False, True])
    assert not kept.fill(predict, 2, lambda: next(stops))
    assert kept.fill(predict, 2, lambda: False)
    assert made == [slice(0, 2), slice(2, 4), slice(4, 5)]
    for k in range(5):
        assert kept.read(k).dtype == np.float16
        assert kept.read(k) == pytest.approx(np.full((2, 3, 4), k / 10), abs=1e-3)
    assert kept.fill(lambda _: pytest.fail("made again"), 3, lambda: False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_chooses_the_same(samples, tmp_path):
    here, there = (search(samples, CLASSES, LISTED, torch.device(d), tmp_path / d) for d in ("cpu", "cuda"))
    assert here.best.combination == there.best.combination


def test_lattices_are_built_once_for_equal_sigmas(samples, tmp_path, monkeypatch):
    built = []
    original = module.Kernels.build.__func__

    def build(cls, pixels, *sigmas):
        built.append(sigmas[:2])
        return original(cls, pixels, *sigmas)

    monkeypatch.setattr(module.Kernels, "build", classmethod(build))
    search(samples, CLASSES, LISTED, CPU, tmp_path / "notes")
    assert len(built) == 4 * len(samples)
