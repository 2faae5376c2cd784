"""Memory that is short at test: smaller batches from there on, the same numbers, and a remedy where one is too many."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.evaluate import measure as module
from repro.evaluate.adaptive_batches import AdaptiveBatch, batch_remarks, in_adaptive_batches
from repro.evaluate.measure import measure
from repro.evaluate.probabilities import StoredProbabilities
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Evaluate, Model

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)
CPU = torch.device("cpu")
SHORT = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79 GiB"


def _work(done: list[tuple[int, int]], largest: dict[int, int]):
    """Work that takes note of its slices, and fails above so many images at once from an image on."""

    def work(batch: slice) -> None:
        limit = min(size for first, size in largest.items() if batch.start >= first)
        if batch.stop - batch.start > limit:
            raise torch.OutOfMemoryError(SHORT)
        done.append((batch.start, batch.stop))

    return work


@pytest.mark.parametrize("count", [1, 5, 13, 16])
@pytest.mark.parametrize("largest", [{0: 8}, {0: 3}, {0: 8, 7: 2}, {0: 4, 3: 1}])
def test_every_image_is_done_once_and_in_order(count: int, largest: dict[int, int]) -> None:
    done: list[tuple[int, int]] = []
    batches = in_adaptive_batches(count, 8, _work(done, largest))
    assert batches is not None
    assert [k for first, stop in done for k in range(first, stop)] == list(range(count))
    sizes = [batch.size for batch in batches]
    assert sizes == sorted(sizes, reverse=True)
    for first, stop in done:
        (size,) = [batch.size for batch in batches if batch.first <= first][-1:]
        assert stop - first == min(size, count - first)


def test_batches_tell_from_which_image_on() -> None:
    done: list[tuple[int, int]] = []
    batches = in_adaptive_batches(12, 4, _work(done, {0: 4, 4: 1}))
    assert batches == [AdaptiveBatch(0, 4), AdaptiveBatch(4, 1)]
    (sentence,) = batch_remarks(batches, 4)
    assert sentence.startswith("from image 5 on, memory was short and 1 images were evaluated at once, not 4")
    (whole,) = batch_remarks(in_adaptive_batches(12, 4, _work(done, {0: 2})) or [], 4)
    assert whole.startswith("memory was short and 2 images were")
    assert batch_remarks([AdaptiveBatch(0, 4)], 4) == []


def test_one_image_too_many_names_the_remedy() -> None:
    with pytest.raises(torch.OutOfMemoryError) as failure:
        in_adaptive_batches(3, 2, _work([], {0: 0}))
    text = str(failure.value)
    assert text.startswith("memory is short for one image at a time (CUDA out of memory).")
    assert "--device cpu" in text
    assert "\n" not in text  # a failure's reason is one line


def test_it_stops_between_batches() -> None:
    done: list[tuple[int, int]] = []
    assert in_adaptive_batches(8, 2, _work(done, {0: 2}), lambda: len(done) == 2) is None
    assert done == [(0, 2), (2, 4)]


@pytest.fixture
def images() -> PaddedSplit:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (7, 33, 33)).astype(np.uint8)
    pixels = rng.integers(0, 256, (7, 33, 33, 3), dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((7, 2), 33, dtype=np.int32), tuple("abcdefg"))


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    with torch.no_grad():
        network.head.classifier.weight.normal_(generator=torch.Generator().manual_seed(0))
    return dict(network.state_dict())


@pytest.mark.parametrize("where", ["probabilities", "label_counts"])
def test_a_measurement_short_of_memory_gives_the_same_matrices(
    images: PaddedSplit, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Memory runs out before anything of a batch is known, or after some of its ways of scoring are done."""
    ways = [Evaluate(canvas=(33, 33), batch_size=4, precision="float32", trimap_px=px) for px in (None, 3)]
    expected = measure(MODEL, 3, ways, state, images, CPU)
    whole, calls = getattr(module, where), [0]

    def short(first, *more, **named):
        calls[0] += 1
        if calls[0] > 1 and len(more[0] if where == "probabilities" else first) > 1:
            raise torch.OutOfMemoryError(SHORT)
        return whole(first, *more, **named)

    monkeypatch.setattr(module, where, short)
    found = measure(MODEL, 3, ways, state, images, CPU)
    assert expected is not None
    assert found is not None
    for one, other in zip(expected, found, strict=True):
        # rounding may move a pixel whose two best classes are equal
        assert np.abs(one.matrices - other.matrices).sum() <= 2
        assert one.metrics["miou"] == pytest.approx(other.metrics["miou"], abs=1e-4)
        assert one.pictures.prediction.shape == other.pictures.prediction.shape
    assert [batch.size for batch in found[0].batches][-1] == 1
    assert [batch.size for batch in expected[0].batches] == [4]


def test_how_many_at_once_does_not_move_a_measurement(images: PaddedSplit, state: dict[str, torch.Tensor]) -> None:
    ways = [Evaluate(canvas=(33, 33), batch_size=size, precision="float32", scales=(0.5, 1.0)) for size in (1, 3, 7)]
    found = [measure(MODEL, 3, [way], state, images, CPU) for way in ways]
    one, *others = [each[0] for each in found if each is not None]
    for other in others:
        assert np.abs(one.matrices - other.matrices).sum() <= 2


def test_kept_probabilities_are_made_in_smaller_batches_too(tmp_path) -> None:
    asked = []

    def predict(batch: slice) -> list[torch.Tensor]:
        asked.append(batch.stop - batch.start)
        if asked[-1] > 2:
            raise torch.OutOfMemoryError(SHORT)
        return [torch.full((2, 3, 3), float(k)) for k in range(batch.start, batch.stop)]

    kept = StoredProbabilities(tmp_path / "probabilities", 5)
    assert kept.fill(predict, 4, lambda: False)
    assert [float(kept.read(k)[0, 0, 0]) for k in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert asked == [4, 2, 2, 1]
