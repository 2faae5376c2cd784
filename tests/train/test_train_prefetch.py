"""Batches from the device's memory and from the host's: the same; which of them, and ahead of time."""

import numpy as np
import pytest
import torch

from repro.data import augment
from repro.data.images import PaddedSplit
from repro.spec.protocol import Pretrain, Train
from repro.train import prefetch
from repro.train.prefetch import Prefetcher

CPU = torch.device("cpu")
TRAIN = Train(batch_size=6, crop=20, iterations=9, scales=(0.5, 1.0, 2.0))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    sizes = rng.integers(12, 25, (5, 2)).astype(np.int32)
    pixels, labels = np.zeros((5, 24, 24, 3), dtype=np.uint8), np.full((5, 24, 24), 255, dtype=np.uint8)
    for i, (height, width) in enumerate(sizes):
        pixels[i, :height, :width] = rng.integers(0, 256, (height, width, 3))
        labels[i, :height, :width] = rng.integers(0, 4, (height, width))
    return PaddedSplit(pixels, labels, sizes, tuple("abcde"))


def _made(batch, crop=20):
    return augment.sample(batch.pixels, batch.labels, batch.sizes, batch.drawn, crop)


@pytest.mark.parametrize("train", [TRAIN, Pretrain(batch_size=6, crop=20, iterations=9)])
@pytest.mark.parametrize("mine", [slice(0, 6), slice(2, 4)])
def test_gathered_batches_are_those_of_the_whole_set(images, train, mine):
    order = np.array([0, 1, 2, 3, 4, 1, 3])
    told = (images, order, train, 3, mine, CPU)
    with Prefetcher(*told, resident=True) as there, Prefetcher(*told, resident=False) as gathered:
        assert there.resident
        assert not gathered.resident
        # the last ones: a training that is resumed asks for a step that was not made ahead
        for step in (0, 1, 2, 7, 8, 4):
            one, other = there(step), gathered(step)
            assert len(one.pixels) == 5
            assert len(other.pixels) == mine.stop - mine.start
            for a, b in zip(_made(one), _made(other), strict=True):
                assert torch.equal(a, b)


def test_a_batch_is_what_was_drawn(images):
    order = np.array([4, 2])
    with Prefetcher(images, order, TRAIN, 0, slice(0, 6), CPU) as batches:
        batch = batches(0)
    drawn = augment.draw(0, 0, images.sizes[order], batch_size=6, crop=20, scales=TRAIN.scales)
    assert batch.drawn[:, 0].tolist() == order[drawn.index].tolist()
    assert batch.drawn[:, 1:3].tolist() == drawn.size.tolist()
    assert batch.drawn[:, 3:5].tolist() == drawn.corner.tolist()
    assert batch.drawn[:, 5].tolist() == drawn.flip.tolist()


def test_the_next_batch_is_gathered_ahead(images, monkeypatch):
    asked = []
    gather = Prefetcher._gather
    monkeypatch.setattr(Prefetcher, "_gather", lambda self, step: (asked.append(step), gather(self, step))[1])
    with Prefetcher(images, np.arange(5), TRAIN, 0, slice(0, 6), CPU, resident=False) as batches:
        for step in range(4):
            batches(step)
    assert asked in ([0, 1, 2, 3], [0, 1, 2, 3, 4])  # the last one may have been cancelled


@pytest.mark.parametrize("resident", [True, False])
def test_samples_made_ahead_are_those_of_the_batch(images, resident):
    train = TRAIN.model_copy(update={"void": "background", "label_padding": "background"})
    told = (images, np.arange(5), train, 3, slice(1, 5), CPU)
    with Prefetcher(*told, resident=resident) as ahead, Prefetcher(*told, resident=True) as plain:
        for step in (0, 1, 2, 7, 8, 4):
            x, y = ahead.samples(step)
            batch = plain(step)
            told_x, told_y = augment.sample(batch.pixels, batch.labels, batch.sizes, batch.drawn, 20, label_padding=0)
            assert torch.equal(x, told_x)
            assert torch.equal(y, told_y.masked_fill(told_y == 255, 0))


def test_an_error_of_the_thread_reaches_the_loop(images, monkeypatch):
    sample, calls = augment.sample, []

    def fails_at_the_second(*given, **named):
        calls.append(0)
        if len(calls) == 2:
            raise MemoryError
        return sample(*given, **named)

    monkeypatch.setattr(augment, "sample", fails_at_the_second)
    with Prefetcher(images, np.arange(5), TRAIN, 0, slice(0, 6), CPU) as batches:
        batches.samples(0)
        with pytest.raises(MemoryError):
            batches.samples(1)


@pytest.mark.parametrize(("free", "expected"), [(1.01, True), (0.99, False)])
def test_a_set_lies_on_a_gpu_that_has_room_to_spare(images, monkeypatch, free, expected):
    held = 5 * 24 * 24 * 4 / prefetch.RESIDENT_SHARE
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (int(held * free), 10**12))
    assert prefetch.fits(images, torch.device("cuda")) == expected
    assert prefetch.fits(images, CPU)


def test_an_epoch_holds_every_image_once():
    steps = [augment.sample_indices(1, 10, 4, step) for step in range(5)]
    first, second = np.split(np.concatenate(steps), 2)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()


def test_the_host_is_no_more_than_some_batches_ahead_of_a_gpu(images, monkeypatch):
    happened = []

    class Event:
        def record(self):
            happened.append("taken")

        def synchronize(self):
            happened.append("waited")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr("repro.train.prefetch.onto", lambda tensor, _device: tensor)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    with Prefetcher(images, np.arange(5), TRAIN, 0, slice(0, 6), torch.device("cuda"), resident=False) as batches:
        for step in range(5):
            batches(step)
    assert happened == ["taken"] * prefetch.STEPS_AHEAD + ["taken", "waited"] * (5 - prefetch.STEPS_AHEAD)
