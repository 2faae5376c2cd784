"""Micro-batches: the gradient of a batch, whatever parts it is computed in."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from repro.spec.protocol import Pretrain, Train
from repro.train.context import TrainingContext
from repro.train.distributed import SINGLE_PROCESS
from repro.train.loss import VOID, pixel_loss, presence_loss
from repro.train.step import backward, keep_averages_per_step, parts, seed_dropout


class _Net(nn.Module):
    """Two convolutions with a stride and no batch normalisation: every image by itself."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))

    def forward(self, x):
        return self.body(x)


class _Presence(_Net):
    def forward(self, x):
        return super().forward(x).mean(dim=(2, 3))


def _batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 3, 9, 9, generator=generator)
    y = torch.randint(0, 3, (6, 9, 9), generator=generator)
    y[0] = VOID  # an image without a label
    y[3, :, :7] = VOID
    return x, y


def _gradients(network, loss_of):
    network.zero_grad()
    loss = loss_of()
    return float(loss.detach()), [p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize("micro_batch", [None, 6, 3, 2, 1])
@pytest.mark.parametrize("upsample_logits", [True, False])
def test_the_gradient_is_that_of_the_whole_batch(micro_batch, upsample_logits):
    train = Train(batch_size=6, micro_batch=micro_batch, upsample_logits=upsample_logits, precision="float32")
    network, (x, y) = _Net(), _batch()

    def plain():
        loss = pixel_loss(network(x), y, upsample_logits=upsample_logits)
        loss.backward()
        return loss

    expected = _gradients(network, plain)
    trainer = SINGLE_PROCESS.trainer(network, train)
    found = _gradients(network, lambda: backward(trainer, x, y, TrainingContext(train, 0, torch.device("cpu")), 0))
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    for one, other in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("micro_batch", [None, 3, 1])
def test_so_is_that_of_a_first_training(micro_batch):
    train = Pretrain(batch_size=6, micro_batch=micro_batch, precision="float32")
    network, (x, y) = _Presence(), _batch()

    def plain():
        loss = presence_loss(network(x), y)
        loss.backward()
        return loss

    expected = _gradients(network, plain)
    trainer = SINGLE_PROCESS.trainer(network, train)
    found = _gradients(network, lambda: backward(trainer, x, y, TrainingContext(train, 0, torch.device("cpu")), 0))
    assert found[0] == pytest.approx(expected[0], abs=1e-6)
    for one, other in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_batch_without_any_label_has_no_loss():
    train = Train(batch_size=6, micro_batch=2, precision="float32")
    network, (x, y) = _Net(), _batch()
    y[:] = VOID
    loss, gradients = _gradients(
        network,
        lambda: backward(
            SINGLE_PROCESS.trainer(network, train), x, y, TrainingContext(train, 0, torch.device("cpu")), 0
        ),
    )
    assert loss == 0
    assert all(torch.equal(g, torch.zeros_like(g)) for g in gradients)


def test_parts_cover_a_batch_once():
    train = Train(batch_size=16)
    assert parts(16, train) == [slice(0, 16)]
    assert parts(16, train.model_copy(update={"micro_batch": 8})) == [slice(0, 8), slice(8, 16)]
    # of two processes, each takes half of each micro-batch
    assert parts(8, train.model_copy(update={"micro_batch": 8})) == [slice(0, 4), slice(4, 8)]


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_micro_batches_together_move_the_averages_as_one_batch_does(pieces):
    network = nn.Sequential(nn.BatchNorm2d(1, momentum=0.05))
    network.train()
    keep_averages_per_step(network, pieces)
    for _ in range(pieces):
        network(torch.full((2, 1, 2, 2), 10.0))
    assert network[0].running_mean.item() == pytest.approx(0.5, rel=1e-4)


def test_dropout_seeds_the_device_it_draws_on_and_no_other(monkeypatch):
    seeds = []
    generators = tuple(SimpleNamespace(manual_seed=lambda seed, at=at: seeds.append((at, seed))) for at in range(2))
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch, "manual_seed", lambda _: pytest.fail("seeds every kind of device, in 0.1 ms"))
    for device in ("cuda:0", "cuda:1", "cuda"):
        seed_dropout(torch.device(device), 0, 3, 0, 0)
    assert [at for at, _ in seeds] == [0, 1, 1]
    assert len({seed for _, seed in seeds}) == 1
    seed_dropout(torch.device("cpu"), 0, 3, 0, 0)
    assert torch.default_generator.initial_seed() == seeds[0][1]
