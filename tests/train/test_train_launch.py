"""Ways of telling a device what a step computes: the same training by each."""

import numpy as np
import pytest
import torch
from torch import nn

from repro.data.images import Images
from repro.errors import InputError
from repro.nets.init import initialise
from repro.spec.protocol import Model, Pretrain, Train
from repro.train import launch, loop
from repro.train.launch import Captured
from repro.train.loop import Hooks, fit
from repro.train.supply import Batch
from repro.train.training import network_of

CPU = torch.device("cpu")
MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2, last_block=5, residual_gamma=0.2)
TRAIN = Train(
    start="random",
    crop=33,
    batch_size=4,
    iterations=9,
    lr=0.01,
    scales=(0.75, 1.0),
    precision="float32",
    optimizer="sgd",
)
SETTINGS = {
    "sgd": TRAIN,
    "adamw": TRAIN.model_copy(update={"optimizer": "adamw"}),
    "subsampled": TRAIN.model_copy(update={"upsample_logits": False}),
    "void as background": TRAIN.model_copy(update={"void": "background", "label_padding": "background"}),
    "presence": Pretrain(crop=33, batch_size=4, iterations=9),
}
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (7, 33, 33), dtype=np.uint8)
    labels[:, ::5] = 255
    return Images(
        rng.integers(0, 256, (7, 33, 33, 3), dtype=np.uint8),
        labels,
        np.full((7, 2), 33, dtype=np.int32),
        tuple(map(str, range(7))),
    )


def _losses(images, settings, device=CPU, **told):
    network = network_of(MODEL, 3, settings)
    initialise(network, 0)
    curve, layouts = fit(network, images, settings, 0, device, Hooks(), **told)
    return curve.loss, layouts, network


@pytest.fixture
def replaying(monkeypatch):
    """Replays on a CPU: the recorded function again, with the tensors that were recorded."""
    replays = []

    def record(compute):
        return lambda: (replays.append(1), compute())[1]

    def layout(start, team, mine, *_):
        return loop.Layout(start, team.size, mine.stop - mine.start, "captured")

    monkeypatch.setattr(loop, "cuda_graph", record)
    monkeypatch.setattr(loop, "_layout", layout)
    return replays


@pytest.mark.parametrize("name", sorted(SETTINGS))
@pytest.mark.parametrize("resident", [True, False])
def test_a_captured_training_is_the_eager_one(images, monkeypatch, request, name, resident):
    monkeypatch.setattr("repro.train.supply.fits", lambda *_: resident)
    eager, _, one = _losses(images, SETTINGS[name])
    replays = request.getfixturevalue("replaying")
    captured, layouts, other = _losses(images, SETTINGS[name])
    assert [layout.launch for layout in layouts] == ["captured"]
    assert len(replays) == SETTINGS[name].iterations - launch.WARM_UP
    # learning rates are float32 tensors for a graph, and Python's numbers else
    assert captured == pytest.approx(eager, rel=1e-4)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_replays_read_the_batch_where_it_was_when_recorded():
    seen, recorded = [], []
    whole = torch.arange(10.0)

    def step(batch):
        seen.append(batch)
        return batch.pixels.sum() + batch.drawn.sum()

    def record(compute):
        recorded.append(compute)
        return compute

    captured = Captured(step, CPU, record)
    for k in range(6):
        loss = captured(Batch(whole, whole, whole, torch.tensor([float(k)])))
        assert float(loss) == 45 + k
    assert len(recorded) == 1
    assert all(batch is seen[-1] for batch in seen[launch.WARM_UP :])
    assert seen[-1].pixels is whole


def test_only_whole_batches_of_one_process_are_captured():
    told = (0, loop.ALONE, slice(0, 4))
    assert loop._layout(*told, None, "captured", []).launch == "captured"
    assert loop._layout(*told, 2, "captured", []).launch == "eager"
    assert loop._layout(*told, 2, "compiled", []).launch == "compiled"
    assert loop._layout(*told, None, "compiled+captured", []).launch == "compiled+captured"
    assert loop._layout(*told, 2, "compiled+captured", []).launch == "compiled"
    team = loop.Team(0, 2)
    assert loop._layout(0, team, slice(0, 2), None, "captured", []).launch == "eager"


def test_a_cpu_has_no_graphs(images):
    with pytest.raises(InputError, match=r"--launch captured: needs a CUDA device.*--launch eager"):
        _losses(images, TRAIN, launch="captured")
    with pytest.raises(InputError, match=r"--launch compiled\+captured: needs a CUDA device.*--launch compiled"):
        _losses(images, TRAIN, launch="compiled+captured")


@pytest.mark.slow
def test_a_compiled_training_is_the_eager_one(images, monkeypatch):
    monkeypatch.setitem(SETTINGS, "short", TRAIN.model_copy(update={"iterations": 3}))
    small = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
    state = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    found = []
    for way in ("eager", "compiled"):
        small.load_state_dict(state)
        curve, layouts = fit(small, images, SETTINGS["short"], 0, CPU, Hooks(), launch=way)
        assert layouts[0].launch == way
        found.append(curve.loss)
    assert found[1] == pytest.approx(found[0], rel=1e-4)


@gpu
@pytest.mark.parametrize("name", sorted(SETTINGS))
@pytest.mark.parametrize("way", ["captured", "compiled", "compiled+captured"])
def test_on_a_gpu_too(images, name, way):
    device = torch.device("cuda")
    eager, _, _ = _losses(images, SETTINGS[name], device)
    other, layouts, _ = _losses(images, SETTINGS[name], device, launch=way)
    assert layouts[0].launch == way
    assert other == pytest.approx(eager, rel=1e-2)
