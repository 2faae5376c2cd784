"""Training in bfloat16 is the training in float32, as far as seeds can tell."""

import itertools

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.nets.init import initialise
from repro.spec.protocol import Model, Train
from repro.train.context import TrainingContext
from repro.train.loop import fit
from repro.train.training import network_of

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=4, stem_width=4, last_block=5, residual_gamma=0.2)
TRAIN = Train(
    start="random", crop=33, batch_size=6, iterations=40, optimizer="adamw", lr=0.01, scales=(0.75, 1.0, 1.25)
)
SEEDS = range(3)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    labels = np.zeros((9, 33, 33), dtype=np.uint8)
    for i, edge in enumerate(rng.integers(8, 25, 9)):
        labels[i, :, edge:] = 1 + i % 2
    pixels = np.repeat((labels * 60)[..., None], 3, axis=3).astype(np.uint8)
    pixels += rng.integers(0, 60, pixels.shape, dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((9, 2), 33, dtype=np.int32), tuple(map(str, range(9))))


def _curve(images, precision, seed):
    settings = TRAIN.model_copy(update={"precision": precision})
    network = network_of(MODEL, 3, settings)
    initialise(network, seed)
    curve, _ = fit(network, images, TrainingContext(settings, seed, torch.device("cpu")))
    return np.array(curve.loss)


@pytest.mark.slow
def test_the_loss_curve_stays_within_the_noise_of_seeds(images):
    full, half = ([_curve(images, precision, seed) for seed in SEEDS] for precision in ("float32", "bfloat16"))
    assert all(curve[-5:].mean() < 0.7 * curve[:5].mean() for curve in full + half)  # they do learn
    between_precisions = [np.abs(a - b).mean() for a, b in zip(full, half, strict=True)]
    between_seeds = [np.abs(a - b).mean() for a, b in itertools.combinations(full, 2)]
    assert max(between_precisions) > 0  # it was another precision
    assert np.mean(between_precisions) < 0.5 * np.mean(between_seeds)
