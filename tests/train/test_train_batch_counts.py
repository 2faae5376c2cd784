"""Counters of batches are what torch would have counted."""

import numpy as np
import pytest
import torch
from torch import nn

from repro.data.images import PaddedSplit
from repro.spec.protocol import Model, Pretrain, Train
from repro.train import checkpoint
from repro.train.batch_counts import BatchCounts
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import StoppedError, fit
from repro.train.training import network_of

NARROW = {"backbone": "resnet50", "units": (1, 1, 1, 1), "width": 2, "stem_width": 2}
TRAIN = Train(start="random", crop=17, batch_size=4, iterations=3, precision="float32")
CASES = {
    "whole batches": (NARROW, TRAIN),
    "micro-batches": (NARROW, TRAIN.model_copy(update={"micro_batch": 2})),
    "parts that do not divide": (NARROW, TRAIN.model_copy(update={"batch_norm_parts": 3})),
    "several scales": ({**NARROW, "multi_scale": True}, TRAIN.model_copy(update={"upsample_logits": False})),
    "frozen": (NARROW, TRAIN.model_copy(update={"batch_norm": "frozen"})),
    "presence": (NARROW, Pretrain(crop=17, batch_size=4, iterations=3)),
}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 17, 17, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, (5, 17, 17), dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((5, 2), 17, dtype=np.int32), tuple("abcde"))


def _counters(state):
    return {name: int(count) for name, count in state.items() if name.endswith("num_batches_tracked")}


def _trained(model, settings, images, hooks=Hooks()):  # noqa: B008
    network = network_of(Model(**model), 3, settings)
    fit(network, images, TrainingContext(settings, 0, torch.device("cpu"), hooks))
    return _counters(network.state_dict())


@pytest.mark.parametrize("name", CASES)
def test_they_are_torchs(images, monkeypatch, name):
    model, settings = CASES[name]
    found = _trained(model, settings, images)
    monkeypatch.setattr(BatchCounts, "__enter__", lambda self: self)
    monkeypatch.setattr(BatchCounts, "__exit__", lambda *_: None)
    assert found == _trained(model, settings, images)
    assert found
    assert set(found.values()) == {0} if name == "frozen" else min(found.values()) >= 3


def test_a_checkpoint_has_them_and_a_resumed_training_counts_on(images, tmp_path):
    whole = _trained(*CASES["whole batches"], images)
    asked = iter([False, True])
    with pytest.raises(StoppedError):
        _trained(*CASES["whole batches"], images, Hooks(tmp_path, should_stop=lambda: next(asked)))
    kept = checkpoint.load(tmp_path, print)
    assert set(_counters(kept.network).values()) == {2}
    assert _trained(*CASES["whole batches"], images, Hooks(tmp_path)) == whole


def test_while_it_trains_a_network_of_ours_counts_nothing_and_anothers_does():
    network = network_of(Model(**NARROW), 3, TRAIN)
    with BatchCounts(network, TRAIN) as counts:
        assert not _counters(network.state_dict())
        counts.steps = 2
        assert set(_counters(counts.state_dict()).values()) == {2}
    assert set(_counters(network.state_dict()).values()) == {2}
    other = nn.Sequential(nn.BatchNorm2d(3))
    with BatchCounts(other, TRAIN):
        other(torch.zeros(2, 3, 1, 1))
    assert _counters(other.state_dict()) == {"0.num_batches_tracked": 1}
