"""Mean field against pydensecrf and the dense kernel matrix, and properties."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import interpolate, one_hot
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repro.data.scene_settings import COLOURS, SceneSettings
from repro.data.scenes import draw
from repro.errors import InputError
from repro.evaluate import meanfield, permutohedral
from repro.evaluate.crf import refine
from repro.evaluate.meanfield import Kernels, batches, beliefs, mean_field, mean_fields
from repro.evaluate.permutohedral import Filter, Gather, Slice
from repro.spec.protocol import CRF

CONFIGURATIONS = {
    "v2 ResNet-101": CRF(w1=4, sigma_alpha=67, sigma_beta=3, w2=3, sigma_gamma=1),
    "paper's fixed part": CRF(w1=5, sigma_alpha=50, sigma_beta=3, w2=3, sigma_gamma=3),
    "smallest of the search": CRF(w1=3, sigma_alpha=30, sigma_beta=3, w2=3, sigma_gamma=3),
    "largest of the search": CRF(w1=6, sigma_alpha=100, sigma_beta=6, w2=3, sigma_gamma=3),
}
SMALL = CRF(w1=4, sigma_alpha=20, sigma_beta=8, w2=3, sigma_gamma=2, iterations=5)


def _scene(index, side=97, cut=(97, 97)):
    """A drawn scene and coarse, noisy probabilities from its labels."""
    height, width = cut
    pixels, labels = draw(SceneSettings(side=side), "val", index)
    pixels, labels = torch.from_numpy(pixels[:height, :width].copy()), torch.from_numpy(labels[:height, :width].copy())
    classes = len(COLOURS)
    exact = one_hot(torch.where(labels == 255, 0, labels).long(), classes).permute(2, 0, 1)[None].float()
    small = interpolate(exact, size=(height // 8 + 1, width // 8 + 1), mode="area")
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(index))
    scores = interpolate(4 * small + noise, size=(height, width), mode="bilinear", align_corners=True)
    return scores[0].softmax(0), pixels


def _reference(probabilities, pixels, crf):
    """pydensecrf's marginals after each iteration."""
    densecrf = pytest.importorskip("pydensecrf.densecrf")
    classes, height, width = probabilities.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(np.ascontiguousarray(-probabilities.clamp(min=1e-8).log().reshape(classes, -1).numpy()))
    kind = {"after": densecrf.NORMALIZE_AFTER, "symmetric": densecrf.NORMALIZE_SYMMETRIC}[crf.normalization]
    field.addPairwiseGaussian(sxy=crf.sigma_gamma, compat=crf.w2, normalization=kind)
    field.addPairwiseBilateral(
        sxy=crf.sigma_alpha,
        srgb=crf.sigma_beta,
        rgbim=np.ascontiguousarray(pixels.numpy()),
        compat=crf.w1,
        normalization=kind,
    )
    for iterations in range(1, crf.iterations + 1):
        yield torch.from_numpy(np.array(field.inference(iterations))).reshape(classes, height, width)


@pytest.mark.parametrize("normalization", ["after", "symmetric"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_agrees_with_pydensecrf(name, normalization):
    crf = CONFIGURATIONS[name].model_copy(update={"normalization": normalization})
    probabilities, pixels = _scene(list(CONFIGURATIONS).index(name))
    *_, expected = _reference(probabilities, pixels, crf)
    found = mean_field(probabilities, pixels, crf)
    assert (probabilities.argmax(0) != expected.argmax(0)).float().mean() > 0.005  # the CRF has something to do
    assert (found - expected).abs().mean() < 1e-6
    assert (found.argmax(0) == expected.argmax(0)).float().mean() > 0.9999


def test_agrees_with_pydensecrf_after_each_iteration_and_on_any_number_of_pixels():
    crf = CONFIGURATIONS["v2 ResNet-101"].model_copy(update={"iterations": 4})
    probabilities, pixels = _scene(3, cut=(71, 89))  # not a multiple of four, the code's block
    count = 0
    (_, start), *steps = beliefs(probabilities, pixels, crf)
    assert torch.allclose(start, probabilities, atol=1e-6)
    for expected, (_, found) in itertools.zip_longest(_reference(probabilities, pixels, crf), steps):
        assert (found - expected).abs().mean() < 1e-6
        count += 1
    assert count == 4


def test_marginals_are_close_to_those_of_the_dense_kernel_matrix():
    crf = CRF(w1=3, sigma_alpha=8, sigma_beta=20, w2=2, sigma_gamma=2, iterations=5)
    probabilities, pixels = _scene(1, side=97, cut=(36, 44))
    classes, height, width = probabilities.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack((y, x), dim=2).reshape(-1, 2).double()
    colour = pixels.reshape(-1, 3).double()
    total = torch.zeros(height * width, height * width, dtype=torch.float64)
    for weight, points in (
        (crf.w1, torch.cat((place / crf.sigma_alpha, colour / crf.sigma_beta), dim=1)),
        (crf.w2, place / crf.sigma_gamma),
    ):
        kernel = torch.exp(-torch.cdist(points, points).square() / 2)
        total += weight * kernel / kernel.sum(1, keepdim=True)
    score = probabilities.double().log().reshape(classes, -1).t()
    expected = score.softmax(1)
    for _ in range(crf.iterations):
        expected = (score + total @ expected).softmax(1)
    found = mean_field(probabilities, pixels, crf).reshape(classes, -1).t()
    before = (score.softmax(1) - expected).abs().mean()
    assert (found - expected).abs().mean() < 0.15 * before
    assert (found.argmax(1) == expected.argmax(1)).float().mean() > 0.98


def test_a_speck_on_an_even_ground_vanishes_and_an_edge_stays():
    pixels = torch.full((40, 40, 3), 60, dtype=torch.uint8)
    pixels[:, 20:] = 200
    first = torch.full((40, 40), 0.8)
    first[:, 22:] = 0.2  # the network's border is two pixels off
    first[8:10, 8:10] = 0.3
    marginals = mean_field(torch.stack((first, 1 - first)), pixels, SMALL)
    assert torch.equal(marginals.argmax(0), (torch.arange(40) >= 20).long().expand(40, 40))


@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_a_batch_gives_each_image_the_same_bits(normalization):
    images = [_scene(0, cut=(31, 57)), _scene(1, cut=(64, 40)), _scene(2, cut=(31, 57))]
    kernels = Kernels.build(
        [p for _, p in images], SMALL.sigma_alpha, SMALL.sigma_beta, SMALL.sigma_gamma, normalization
    )
    together = kernels.marginals([p for p, _ in images], SMALL.w1, SMALL.w2, SMALL.iterations)
    crf = SMALL.model_copy(update={"normalization": normalization})
    listed = mean_fields([p for p, _ in images], [p for _, p in images], crf)
    for (probabilities, pixels), found, also in zip(images, together, listed, strict=True):
        alone = mean_field(probabilities, pixels, crf)
        assert torch.equal(found, alone)
        assert torch.equal(also, alone)


@pytest.mark.parametrize("normalization", ["after", "symmetric"])
@pytest.mark.parametrize("together", [1, 2, 2**24])
def test_side_by_side_each_weight_has_its_own_marginals_bit_for_bit(normalization, together, monkeypatch):
    images = [_scene(0, cut=(31, 57)), _scene(1, cut=(40, 30))]
    probabilities, pixels = [p for p, _ in images], [i for _, i in images]
    monkeypatch.setattr(meanfield, "SIDE_BY_SIDE", together if together > 2 else together * 60_000)
    kernels = Kernels.build(pixels, SMALL.sigma_alpha, SMALL.sigma_beta, SMALL.sigma_gamma, normalization)
    weights = (0.7, 3.0, 4.5)
    settled, counts = Kernels._settled, []

    def counting(self, unary, start, w1, w2, iterations):
        rows = settled(self, unary, start, w1, w2, iterations)
        counts.append(len(w1))
        for k, one in enumerate(w1):
            alone = kernels.images(settled(self, unary, start, (one,), w2, iterations)[:, 0])
            assert all(map(torch.equal, kernels.images(rows[:, k]), alone))
        return rows

    monkeypatch.setattr(Kernels, "_settled", counting)
    labels = kernels.labels(probabilities, weights, SMALL.w2, SMALL.iterations)
    assert counts == {1: [1, 1, 1], 2: [2, 1], 2**24: [3]}[together]
    monkeypatch.undo()
    assert labels.shape == (31 * 57 + 40 * 30, 3)
    for k, w1 in enumerate(weights):
        crf = SMALL.model_copy(update={"w1": w1, "normalization": normalization})
        expected = [image.argmax(0).view(-1) for image in mean_fields(probabilities, pixels, crf)]
        assert torch.equal(labels[:, k], torch.cat(expected))
    assert not torch.equal(labels[:, 0], labels[:, 2])


class OnGpu:
    """An image that says it lies on a GPU; all that `batches` asks."""

    is_cuda = True

    def __init__(self, height, width):
        self.shape = (height, width, 3)


def test_a_gpu_filters_as_many_images_at_once_as_fit(monkeypatch):
    images = [OnGpu(10, 10) for _ in range(5)] + [OnGpu(40, 40), OnGpu(10, 10)]
    monkeypatch.setattr(meanfield, "VALUES_TOGETHER", 100 * 21 * 3)
    assert list(batches(images, 21)) == [slice(0, 3), slice(3, 5), slice(5, 6), slice(6, 7)]
    assert list(batches(images, 4 * 21)) == [slice(k, k + 1) for k in range(7)]
    assert list(batches(images[:5], 1)) == [slice(0, 3), slice(3, 5)]  # lattices take memory, too
    assert list(batches([torch.zeros(2, 2, 3)] * 2, 1)) == [slice(0, 1), slice(1, 2)]
    assert list(batches([], 21)) == []


def test_long_sums_in_parts_are_the_same_sums(monkeypatch):
    probabilities, _ = _scene(0, cut=(50, 60))
    flat = torch.full((50, 60, 3), 90, dtype=torch.uint8)
    whole = mean_field(probabilities, flat, SMALL)
    assert flat[:, :, 0].numel() > 4 * permutohedral.LONGEST_SUM
    monkeypatch.setattr(permutohedral, "LONGEST_SUM", 7)
    assert torch.allclose(mean_field(probabilities, flat, SMALL), whole, atol=1e-6)


def test_no_image_or_sigma_is_mixed_up_with_the_last_one():
    probabilities, pixels = _scene(0, cut=(30, 30))
    wide = SMALL.model_copy(update={"sigma_gamma": 6.0})
    first = mean_field(probabilities, pixels, SMALL)
    other = mean_field(probabilities, pixels, wide)
    turned = mean_field(probabilities[:, :20], pixels[:20], SMALL)
    assert torch.equal(mean_field(probabilities, pixels, SMALL), first)
    assert not torch.equal(first, other)
    assert turned.shape == (len(COLOURS), 20, 30)


def test_marginals_are_distributions_and_inputs_stay_as_they_were():
    probabilities, pixels = _scene(2, cut=(40, 50))
    kept = probabilities.clone(), pixels.clone()
    steps = list(beliefs(probabilities, pixels, SMALL))
    assert len(steps) == 1 + SMALL.iterations
    for scores, marginals in steps:
        assert marginals.dtype == torch.float32
        assert torch.allclose(marginals.sum(0), torch.ones(40, 50), atol=1e-5)
        assert torch.allclose(scores.softmax(0), marginals, atol=1e-6)
    assert torch.equal(steps[-1][1], mean_field(probabilities, pixels, SMALL))
    assert torch.equal(probabilities, kept[0])
    assert torch.equal(pixels, kept[1])


def test_stopping_between_iterations_leaves_gradients_on():
    probabilities, pixels = _scene(2, cut=(20, 20))
    steps = beliefs(probabilities, pixels, SMALL)
    next(steps)
    assert torch.is_grad_enabled()


def test_without_weights_nothing_changes():
    probabilities, pixels = _scene(0, cut=(20, 30))
    crf = SMALL.model_copy(update={"w1": 0.0, "w2": 0.0})
    assert torch.allclose(mean_field(probabilities, pixels, crf), probabilities, atol=1e-6)


def test_one_class_is_certain():
    assert torch.equal(
        mean_field(torch.full((1, 9, 12), 0.4), torch.zeros(9, 12, 3, dtype=torch.uint8), SMALL), torch.ones(1, 9, 12)
    )


def test_one_pixel_and_no_image():
    assert (
        mean_field(torch.tensor([0.25, 0.75])[:, None, None], torch.zeros(1, 1, 3, dtype=torch.uint8), SMALL)[1] > 0.75
    )
    assert mean_fields([], [], SMALL) == []


def test_impossible_labels_have_finite_energy():
    probabilities, pixels = _scene(0, cut=(24, 24))
    certain = one_hot(probabilities.argmax(0), len(COLOURS)).permute(2, 0, 1).float()
    assert mean_field(certain, pixels, SMALL).isfinite().all()


def _nan(probabilities):
    return torch.where(probabilities == probabilities.max(), torch.nan, probabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, i: (p[:, :-1], i, {}), r"probabilities \(9, 23, 32\) and image \(24, 32, 3\)"),
        (lambda p, i: (p[0], i, {}), "do not belong together"),
        (lambda p, i: (p, i[:, :, 0], {}), "do not belong together"),
        (lambda p, i: (p[:0], i, {}), "do not belong together"),
        (lambda p, i: (_nan(p), i, {}), "NaN comes from a training that diverged"),
        (lambda p, i: (p.log(), i, {}), "Pass the softmax"),
        (lambda p, i: (p * 5, i, {}), "Pass the softmax"),
        (lambda p, i: (p, i / 255, {}), "the image is torch.float32"),
        (lambda p, i: (p, i, {"sigma_alpha": 0.0}), "evaluate.crf.sigma_alpha: 0.0 is not positive"),
        (lambda p, i: (p, i, {"sigma_beta": -3.0}), "evaluate.crf.sigma_beta: -3.0"),
        (lambda p, i: (p, i, {"sigma_gamma": math.nan}), "evaluate.crf.sigma_gamma: nan"),
        (lambda p, i: (p, i, {"w1": -1.0}), "evaluate.crf.w1: -1.0 is not 0 or more"),
        (lambda p, i: (p, i, {"w2": math.inf}), "evaluate.crf.w2: inf"),
        (lambda p, i: (p, i, {"sigma_beta": 0.1}), "too many lattice points to number"),
        (lambda p, i: (p, i, {"sigma_alpha": 1e-9}), "too many lattice points to number"),
        (lambda p, i: (p, i, {"sigma_gamma": 1e-45}), "too many lattice points to number"),
    ],
)
def test_wrong_input_is_refused(change, message):
    probabilities, pixels, settings = change(*_scene(0, cut=(24, 32)))
    crf = SMALL.model_copy(update=settings)
    with pytest.raises(InputError, match=message):
        mean_field(probabilities, pixels, crf)
    with pytest.raises(InputError, match=message):
        beliefs(probabilities, pixels, crf)
    if "lattice" not in message:
        with pytest.raises(InputError, match=message):
            refine([probabilities], [pixels], crf.model_copy(update={"backend": "pydensecrf"}))


def test_wrong_calls_are_refused():
    probabilities, pixels = _scene(0, cut=(10, 10))
    with pytest.raises(InputError, match="of 2 images, but 1 images"):
        mean_fields([probabilities, probabilities], [pixels], SMALL)
    with pytest.raises(InputError, match="'before' is neither"):
        mean_field(probabilities, pixels, SMALL.model_copy(update={"normalization": "before"}))
    for backend in ("torch", "pydensecrf"):
        listed = CRF(w1=(3.0, 4.0), sigma_alpha=20, sigma_beta=8, backend=backend)
        with pytest.raises(InputError, match=r"evaluate.crf.w1: \[3.0, 4.0\] is a list to search"):
            refine([probabilities], [pixels], listed)


def _gather(rows, entries):
    indices = torch.zeros(entries, dtype=torch.int32, device="cuda")
    offsets = torch.zeros(rows, dtype=torch.int32, device="cuda")
    return Gather(indices, offsets, torch.zeros(entries, device="cuda"))


def _filter(d, points, lattice):
    blur = [_gather(lattice, 3 * lattice) for _ in range(d + 1)]
    corners = torch.zeros(points, d + 1, dtype=torch.int32, device="cuda")
    splat = _gather(lattice + 5, points * (d + 1)), _gather(lattice, lattice + 5)
    return Filter((*splat, *blur), Slice(corners, torch.zeros(points, d + 1, device="cuda")))


def test_on_a_gpu_iterations_neither_wait_for_it_nor_leave_it():
    """Shapes alone, on a make-believe GPU: it refuses to tell a value, and to mix devices."""

    class Nothing(TorchDispatchMode):
        """Comes from the host: a copy would wait for the device."""

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            met = {t.device.type for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)}
            assert "cpu" not in met, func
            return out

    with FakeTensorMode(), Nothing():
        kernels = Kernels(_filter(5, 1000, 300), _filter(2, 1000, 40), ((20, 25), (10, 50)))
        probabilities = [torch.zeros(21, 20, 25, device="cuda"), torch.zeros(21, 10, 50, device="cuda")]
        first, second = kernels.marginals(probabilities, 3.0, 3.0, 10)
        assert (first.shape, second.shape) == ((21, 20, 25), (21, 10, 50))
        labels = kernels.labels(probabilities, [3.0, 4.0, 5.0], 3.0, 10)
        assert (labels.shape, labels.device.type) == ((1000, 3), "cuda")
        assert len(list(kernels.iterate(probabilities, 3.0, 3.0, 2))) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_not_waited_for_within_the_iterations():
    probabilities, pixels = (part.cuda() for part in _scene(0))
    kernels = Kernels.build([pixels], SMALL.sigma_alpha, SMALL.sigma_beta, SMALL.sigma_gamma)
    try:
        torch.cuda.set_sync_debug_mode("error")
        kernels.marginals([probabilities], SMALL.w1, SMALL.w2, SMALL.iterations)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("normalization", ["after", "symmetric"])
def test_gpu_equals_cpu(normalization):
    images = [_scene(k, cut=(97, 80 + k)) for k in range(3)]
    crf = CONFIGURATIONS["v2 ResNet-101"].model_copy(update={"normalization": normalization})
    expected = mean_fields([p for p, _ in images], [i for _, i in images], crf)
    found = mean_fields([p.cuda() for p, _ in images], [i.cuda() for _, i in images], crf)
    for a, b in zip(expected, found, strict=True):
        assert (a - b.cpu()).abs().mean() < 1e-6
        assert (a.argmax(0) == b.cpu().argmax(0)).float().mean() > 0.9999
