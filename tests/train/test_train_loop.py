"""The loop: resuming, freezing, parameter groups, divergence."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from repro.data.images import PaddedSplit
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Model, Pretrain, Train
from repro.train import checkpoint, loop
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import DivergedError, StoppedError, fit
from repro.train.optimizer import parameter_groups, set_batch_norm
from repro.train.training import train

MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2, last_block=5, residual_gamma=0.2)
SETTINGS = Train(
    start="random", crop=33, batch_size=4, iterations=6, optimizer="adamw", lr=0.01, scales=(0.75, 1.0, 1.25)
)
CPU = torch.device("cpu")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = np.zeros((7, 33, 33), dtype=np.uint8)
    for i, edge in enumerate(rng.integers(8, 25, 7)):
        labels[i, :, edge:] = 1 + i % 2
    labels[:, ::5] = 255
    pixels = np.repeat((labels * 60)[..., None], 3, axis=3).astype(np.uint8)
    return PaddedSplit(pixels, labels, np.full((7, 2), 33, dtype=np.int32), tuple(map(str, range(7))))


def _run(images, settings=SETTINGS, hooks=Hooks(), seed=0):  # noqa: B008
    return train(MODEL, 3, images, None, TrainingContext(settings, seed, CPU, hooks))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_stopped_training_resumes_to_the_same_bits(images, tmp_path, optimizer):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer})
    whole = _run(images, settings)
    seen = []
    hooks = Hooks(folder=tmp_path, on_step=lambda step, *_: seen.append(step), should_stop=lambda: len(seen) >= 3)
    with pytest.raises(StoppedError):
        _run(images, settings, hooks)
    started = []
    resumed = _run(images, settings, Hooks(folder=tmp_path, on_start=started.append))
    assert started == [3]
    assert resumed.curve == whole.curve
    for name, tensor in whole.state.items():
        assert torch.equal(tensor, resumed.state[name]), name


def test_seeds_differ_and_a_seed_repeats(images):
    first, again, other = _run(images), _run(images), _run(images, seed=1)
    assert first.curve == again.curve
    assert first.curve != other.curve


def test_training_lowers_the_loss(images):
    settings = SETTINGS.model_copy(update={"iterations": 60})
    curve = _run(images, settings).curve
    assert np.mean(curve.loss[-5:]) < 0.6 * np.mean(curve.loss[:5])


def test_presence_training_lowers_the_loss(images):
    settings = Pretrain(crop=33, batch_size=4, iterations=30, lr=0.01, scales=(1.0,), output_stride=16)
    curve = _run(images, settings).curve
    assert np.mean(curve.loss[-5:]) < np.mean(curve.loss[:5])


def test_a_diverged_training_says_where(images):
    settings = SETTINGS.model_copy(update={"lr": 1e30, "optimizer": "sgd"})
    with pytest.raises(DivergedError, match=r"at step \d+ of 6 .*smaller train.lr"):
        _run(images, settings)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(images, tmp_path):
    whole = _run(images)
    seen = []
    hooks = Hooks(
        folder=tmp_path,
        checkpoint_steps=1,
        on_step=lambda step, *_: seen.append(step),
        should_stop=lambda: len(seen) >= 3,
    )
    with pytest.raises(StoppedError):
        _run(images, hooks=hooks)
    newest, before = checkpoint.saved(tmp_path)
    (newest / "network.safetensors").write_bytes(b"not weights")
    started, told = [], []
    resumed = _run(images, hooks=Hooks(folder=tmp_path, on_start=started.append, warn=told.append))
    assert (started, before.name) == ([2], "step-00000002")
    assert "damaged checkpoint set aside" in told[0]
    assert all(torch.equal(tensor, resumed.state[name]) for name, tensor in whole.state.items())


@pytest.mark.parametrize("at", range(1, 6))
def test_a_training_resumes_to_the_same_bits_from_any_step(images, tmp_path, at):
    settings = SETTINGS.model_copy(update={"optimizer": "sgd"})
    seen = []
    hooks = Hooks(folder=tmp_path, on_step=lambda step, *_: seen.append(step), should_stop=lambda: len(seen) >= at)
    with pytest.raises(StoppedError):
        _run(images, settings, hooks)
    resumed = _run(images, settings, Hooks(folder=tmp_path))
    whole = _run(images, settings)
    assert resumed.curve == whole.curve
    assert all(torch.equal(tensor, resumed.state[name]) for name, tensor in whole.state.items())


def test_frozen_batch_normalisation_neither_learns_nor_moves(images):
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    fit(network, images, TrainingContext(SETTINGS.model_copy(update={"batch_norm": "frozen"}), 0, CPU))
    after = network.state_dict()
    norms = [n for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for name in norms:
        for key in ("weight", "bias", "running_mean", "running_var"):
            assert torch.equal(before[f"{name}.{key}"], after[f"{name}.{key}"])
    assert not torch.equal(before["head.classifier.weight"], after["head.classifier.weight"])


def test_frozen_statistics_normalise_and_stay_while_scale_and_shift_learn(images):
    network = build(MODEL, 3, 16)
    initialise(network, 0)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    fit(network, images, TrainingContext(SETTINGS.model_copy(update={"batch_norm": "frozen_statistics"}), 0, CPU))
    after = network.state_dict()
    norms = [n for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for name in norms:
        for key in ("running_mean", "running_var", "num_batches_tracked"):
            assert torch.equal(before[f"{name}.{key}"], after[f"{name}.{key}"])
        for key in ("weight", "bias"):
            assert not torch.equal(before[f"{name}.{key}"], after[f"{name}.{key}"])


def test_batch_norm_decay_is_the_share_of_the_old_average_kept():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1))
    set_batch_norm(network, Train(batch_norm_decay=0.9997))
    network.train()
    network(torch.full((2, 1, 2, 2), 10.0))
    assert network[0].running_mean.item() == pytest.approx(10 * (1 - 0.9997), rel=1e-4)


def test_the_backbone_can_have_a_batch_norm_decay_of_its_own():
    norm = torch.nn.BatchNorm2d
    network = torch.nn.ModuleDict({"backbone": torch.nn.Sequential(norm(1)), "head": torch.nn.Sequential(norm(1))})
    set_batch_norm(network, Train(batch_norm_decay=0.9997, backbone_batch_norm_decay=0.95))
    assert network["backbone"][0].momentum == pytest.approx(0.05)
    assert network["head"][0].momentum == pytest.approx(0.0003)


def test_weight_decay_spares_batch_norm_biases_and_depthwise():
    network = torch.nn.ModuleDict(
        {
            "backbone": torch.nn.Sequential(
                torch.nn.Conv2d(4, 4, 3, groups=4, bias=False), torch.nn.Conv2d(4, 8, 1), torch.nn.BatchNorm2d(8)
            ),
            "head": torch.nn.Conv2d(8, 2, 1),
        }
    )
    settings = Train(weight_decay=0.1, head_lr_multiplier=10, bias_lr_multiplier=2, lr=1.0)
    told = {id(p): (g["lr"], g["weight_decay"]) for g in parameter_groups(network, settings) for p in g["params"]}
    backbone, head = network["backbone"], network["head"]
    assert told[id(backbone[0].weight)] == (1.0, 0.0)
    assert told[id(backbone[1].weight)] == (1.0, 0.1)
    assert told[id(backbone[1].bias)] == (2.0, 0.0)
    assert told[id(backbone[2].weight)] == (1.0, 0.0)
    assert told[id(backbone[2].bias)] == (1.0, 0.0)
    assert told[id(head.weight)] == (10.0, 0.1)
    assert told[id(head.bias)] == (20.0, 0.0)


def test_weight_decay_on_all_spares_nothing():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4), torch.nn.BatchNorm2d(4))
    groups = parameter_groups(network, Train(weight_decay=0.1, weight_decay_on="all"))
    assert {g["weight_decay"] for g in groups} == {0.1}
    assert sum(len(g["params"]) for g in groups) == 4


@pytest.mark.parametrize(
    "mistake",
    [
        {"weight_decay_on": "all"},
        {"label_padding": "background"},
        {"align_corners": False},
        {"squash": (17, 33)},
        {"batch_norm_parts": 2},
    ],
)
def test_a_mistake_in_training_changes_the_training(images, mistake):
    right = SETTINGS.model_copy(update={"weight_decay": 0.5, "scales": (0.5, 1.0)})
    assert _run(images, right.model_copy(update=mistake)).curve != _run(images, right).curve


def test_a_step_takes_its_share_of_the_time_between_two_waits(monkeypatch):
    """As on a GPU, whose host waits for many steps at once where it reads a loss."""

    clock = [0.0]

    class Late(torch.Tensor):
        def __float__(self):
            clock[0] += 5.0
            return 1.0

    late = torch.zeros(()).as_subclass(Late)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(loop, "_compute", lambda *_: lambda *_: late)
    monkeypatch.setattr(loop, "CURVE_POINTS", 4)
    told = []
    train = Train(crop=9, batch_size=2, iterations=40, lr=0.1)
    images = PaddedSplit(
        np.zeros((2, 9, 9, 3), dtype=np.uint8),
        np.zeros((2, 9, 9), dtype=np.uint8),
        np.full((2, 2), 9, dtype=np.int32),
        ("a", "b"),
    )
    hooks = Hooks(on_step=lambda step, _, seconds: told.append((step, seconds)))
    loop.fit(torch.nn.Conv2d(3, 2, 1), images, TrainingContext(train, 0, torch.device("cpu"), hooks))
    assert told == [(1, 5.0), (11, 0.5), (21, 0.5), (31, 0.5), (40, pytest.approx(5 / 9))]
