"""A loss that is no number: what was bad first is found by computing the steps again."""

import pytest
import torch
from torch import nn

from repro.data.scenes import load
from repro.spec.protocol import Data, Train
from repro.train import loop
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import DivergedError, fit
from repro.train.prefetch import Prefetcher

CPU = torch.device("cpu")
TRAIN = Train(crop=17, batch_size=2, iterations=8, lr=0.01, precision="float32")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.classifier = nn.Conv2d(4, 9, 1)

    def forward(self, x):
        return self.classifier(self.body(x))


@pytest.fixture(scope="module")
def images():
    return load(Data(name="scenes", classes=9, side=17, train_images=4), "train")


def _told(network, images, train=TRAIN, tmp_path=None):
    with pytest.raises(DivergedError, match="the loss is nan at step") as failure:
        fit(network, images, TrainingContext(train, 0, CPU, Hooks(tmp_path)))
    return str(failure.value)


def test_a_gradient(images):
    network = Net()
    seen = [0]

    def spoil(gradient):
        seen[0] += 1
        return (
            gradient * torch.nan if seen[0] in (3, 7) else gradient
        )  # at the third step of eight, then of those computed again

    network.body[0].weight.register_hook(spoil)
    told = _told(network, images)
    assert "at step 3 of 8" in told
    assert "first bad at step 2: the gradient of body.0.weight, of a good loss" in told


def test_a_map(images):
    network, seen = Net(), [0]

    def spoil(_module, _given, out):
        seen[0] += 1
        return out * torch.nan if seen[0] in (3, 6) else None

    network.body[1].register_forward_hook(spoil)
    told = _told(network, images)
    assert "first bad at step 2: the map that body.1 makes of good inputs and weights" in told


def test_the_weights_that_it_began_with(images):
    network = Net()
    with torch.no_grad():
        network.classifier.bias[1] = torch.nan
    assert "classifier began with weights that are no numbers" in _told(network, images)


def test_a_learning_rate_that_is_far_too_large(images):
    told = _told(Net(), images, TRAIN.model_copy(update={"lr": 1e30}))
    assert "first bad at step" in told
    assert "a smaller train.lr" in told


def test_the_images(images, monkeypatch):
    whole = Prefetcher.samples

    def spoilt(self, step):
        x, y = whole(self, step)
        return (x * torch.nan if step == 4 else x), y

    monkeypatch.setattr(Prefetcher, "samples", spoilt)
    assert "first bad at step 4: the images" in _told(Net(), images)


def test_what_does_not_happen_again_is_not_the_trainings_fault(images, monkeypatch):
    whole, steps = loop.backward, []

    def once(*given):
        steps.append(given[-1])
        loss = whole(*given)
        return loss * torch.nan if len(steps) == 6 else loss

    monkeypatch.setattr(loop, "backward", once)
    told = _told(Net(), images)
    assert "computed again from step 0, the same steps give a loss: results depend on what lies in memory" in told
    assert "train.precision=float32" in told


def test_a_resumed_training_is_computed_again_from_where_it_went_on(images, tmp_path, monkeypatch):
    left = iter([False] * 4 + [True])
    with pytest.raises(loop.StoppedError):
        fit(Net(), images, TrainingContext(TRAIN, 0, CPU, Hooks(tmp_path, should_stop=lambda: next(left))))
    whole = Prefetcher.samples
    seen = []

    def spoilt(self, step):
        seen.append(step)
        x, y = whole(self, step)
        return (x * torch.nan if step == 6 else x), y

    monkeypatch.setattr(Prefetcher, "samples", spoilt)
    assert "first bad at step 6: the images" in _told(Net(), images, tmp_path=tmp_path)
    assert seen == [5, 6, 5, 6]
