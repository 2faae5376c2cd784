"""Ways of telling a device what a step computes: the same training by each."""

import gc
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.backends.registry import lookup_backend

from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.init import initialise
from repro.run import execute
from repro.run.job import ExecutionOptions
from repro.spec.protocol import Model, Pretrain, Train
from repro.store.store import Store
from repro.train import cuda_graphs, loop
from repro.train.context import Hooks, TrainingContext
from repro.train.cuda_graphs import Captured
from repro.train.distributed import SINGLE_PROCESS, DistributedContext, Trainer
from repro.train.loop import fit
from repro.train.prefetch import Batch
from repro.train.training import network_of, train

CPU, GPU = torch.device("cpu"), torch.device("cuda")
MODEL = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2, last_block=5, residual_gamma=0.2)
DEEPLAB = MODEL.model_copy(
    update={
        "last_block": 4,
        "head": "aspp",
        "atrous_rates": (1, 2, 3),
        "image_pooling": True,
        "head_channels": 8,
        "dropout": 0.5,
        "decoder": ("conv2",),
        "decoder_channels": 4,
        "decoder_low_level_channels": 2,
    }
)
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
    return PaddedSplit(
        rng.integers(0, 256, (7, 33, 33, 3), dtype=np.uint8),
        labels,
        np.full((7, 2), 33, dtype=np.int32),
        tuple(map(str, range(7))),
    )


def _losses(images, settings, device=CPU, hooks=Hooks(), model=MODEL, **told):  # noqa: B008
    network = network_of(model, 3, settings)
    initialise(network, 0)
    curve, layouts = fit(network, images, TrainingContext(settings, 0, device, hooks, **told))
    return curve.loss, layouts, network


@pytest.fixture
def replaying(monkeypatch):
    """Replays on a CPU: the recorded function again, with the tensors that were recorded."""
    replays = []

    def record(compute):
        return lambda: (replays.append(1), compute())[1]

    def layout(start, context, numbers):
        size = context.dist.size
        return loop.BatchLayout(start, size, context.settings.batch_size // size, "captured", numbers)

    monkeypatch.setattr(loop, "cuda_graph", record)
    monkeypatch.setattr(loop, "_layout", layout)
    return replays


@pytest.mark.parametrize("name", sorted(SETTINGS))
@pytest.mark.parametrize("resident", [True, False])
def test_a_captured_training_is_the_eager_one(images, monkeypatch, request, name, resident):
    monkeypatch.setattr("repro.train.prefetch.fits", lambda *_: resident)
    eager, _, one = _losses(images, SETTINGS[name])
    replays = request.getfixturevalue("replaying")
    captured, layouts, other = _losses(images, SETTINGS[name])
    assert [layout.launch for layout in layouts] == ["captured"]
    assert len(replays) == SETTINGS[name].iterations - cuda_graphs.WARM_UP
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
    assert all(batch is seen[-1] for batch in seen[cuda_graphs.WARM_UP :])
    assert seen[-1].pixels is whole


def test_only_whole_batches_of_one_process_are_captured():
    whole, parted = Train(batch_size=4), Train(batch_size=4, micro_batch=2)

    def laid_out(train, launch, dist=SINGLE_PROCESS):
        return loop._layout(0, TrainingContext(train, 0, CPU, dist=dist, launch=launch), "float32")

    assert laid_out(whole, "captured").launch == "captured"
    assert laid_out(parted, "captured").launch == "eager"
    assert laid_out(parted, "compiled").launch == "compiled"
    assert laid_out(whole, "compiled+captured").launch == "compiled+captured"
    assert laid_out(parted, "compiled+captured").launch == "compiled"
    dist = DistributedContext(0, 2)
    assert laid_out(whole, "captured", dist).launch == "eager"
    assert laid_out(whole, "compiled", dist).launch == "eager"
    assert laid_out(parted, "eager", dist).micro_batch == 1


def test_a_cpu_has_no_graphs(images):
    with pytest.raises(InputError, match=r"--launch captured: needs a CUDA device.*--launch eager"):
        _losses(images, TRAIN, launch="captured")
    with pytest.raises(InputError, match=r"--launch compiled\+captured: needs a CUDA device.*--launch compiled"):
        _losses(images, TRAIN, launch="compiled+captured")


def test_fused_kernels_are_named_in_the_record_and_no_cpu_has_them(images):
    context = TrainingContext(TRAIN, 0, CPU, kernels="fused")
    assert vars(loop._layout(0, context, "float32"))["kernels"] == "fused"
    with pytest.raises(InputError, match=r"--kernels fused: needs a CUDA device .*this one is cpu.*--kernels torch"):
        _losses(images, TRAIN, kernels="fused")


def _masks_matter_and_are_the_same(images, device, launch):
    """Losses by `way` are the eager ones, much closer than those without dropout."""
    settings = TRAIN.model_copy(update={"iterations": 6})
    without = DEEPLAB.model_copy(update={"dropout": 0.0})
    eager, _, _ = _losses(images, settings, device, model=DEEPLAB)
    dry, _, _ = _losses(images, settings, device, model=without)
    other, layouts, _ = _losses(images, settings, device, model=DEEPLAB, launch=launch)
    assert layouts[0].launch == launch
    assert np.abs(np.subtract(other, eager)).max() < 0.2 * np.abs(np.subtract(dry, eager)).max()


@pytest.mark.slow
def test_a_compiled_training_is_the_eager_one_masks_of_dropout_included(images):
    _masks_matter_and_are_the_same(images, CPU, "compiled")


@pytest.fixture
def traced(monkeypatch):
    """Compiles without generating code, which takes minutes; yields the graphs that it was given."""
    graphs, compile_ = [], nn.Module.compile

    def backend(graph, inputs):
        graphs.append(graph)
        return lookup_backend("aot_eager")(graph, inputs)

    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: compile_(module, dynamic=False, backend=backend))
    torch.compiler.reset()
    yield graphs
    torch.compiler.reset()


@pytest.mark.slow
def test_a_whole_deeplab_is_one_graph_and_the_same_training(images, traced):
    settings = TRAIN.model_copy(update={"iterations": 3})
    eager, _, _ = _losses(images, settings, model=DEEPLAB)
    assert not traced
    compiled, layouts, _ = _losses(images, settings, model=DEEPLAB, launch="compiled")
    assert layouts[0].launch == "compiled"
    assert compiled == pytest.approx(eager, rel=1e-5)
    assert len(traced) == 1


@pytest.mark.parametrize(
    ("launch", "held"),
    [("eager", False), ("eager", True), ("compiled", True), pytest.param("compiled", False, marks=pytest.mark.slow)],
)
@pytest.mark.usefixtures("traced")
def test_a_step_leaves_nothing_of_its_graph(images, monkeypatch, launch, held):
    """Else gradients of a recorded step would flow on the stream of the steps before, which breaks the recording."""
    call, left, kept = Trainer.__call__, [], []

    def node(parameter):
        return parameter.expand_as(parameter).grad_fn.next_functions[0][0]

    def marking(trainer, x):
        parameters = list(trainer._call.parameters())
        left.append(sum("mark" in node(parameter).metadata for parameter in parameters))
        out = call(trainer, x)
        for parameter in parameters:
            node(parameter).metadata["mark"] = True
        kept.extend(out if held else ())  # the mistake, to see that it would be seen
        return out

    monkeypatch.setattr(Trainer, "__call__", marking)
    gc.disable()
    try:
        _losses(images, TRAIN.model_copy(update={"iterations": 3}), model=DEEPLAB, launch=launch)
    finally:
        gc.enable()
    assert left[0] == 0
    assert all(left[1:]) if held else not any(left)


@pytest.mark.slow
def test_a_worker_compiles_every_network(tmp_path, monkeypatch, traced):
    """torch stops compiling after eight networks in a process, and goes on operation by operation."""

    def one(job, *_):
        trainer = SINGLE_PROCESS.trainer(nn.Conv2d(3, job.label, 1), TRAIN, compiled=True)
        trainer(torch.zeros(1, 3, 5, 5))

    monkeypatch.setattr(execute, "_execute", one)
    for width in range(1, 11):
        job = SimpleNamespace(execution=ExecutionOptions(launch="compiled"), label=width)
        execute.execute(job, Store(tmp_path), "cpu", lambda _: None, lambda: False)
    assert len(traced) == 10


def test_a_network_that_cannot_be_compiled_is_told_in_one_line(images, monkeypatch):
    def backend(_graph, _inputs):
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC environment variable.")

    compile_ = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: compile_(module, dynamic=False, backend=backend))
    torch.compiler.reset()
    with pytest.raises(InputError, match=r"torch.compile failed .*Failed to find C compiler.*--launch eager") as raised:
        _losses(images, TRAIN, launch="compiled")
    assert "\n" not in str(raised.value)


class Broken:
    """Stands for torch.cuda.graph where a recording breaks off: its end fails as well."""

    told: ClassVar[dict[str, str]] = {}

    def __init__(self, _graph, **told):
        self.told.update(told)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_step_that_cannot_be_captured_says_what_went_wrong_first(monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", Broken)

    def compute():
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(InputError, match=r"cannot be captured \(operation not permitted when .*--launch eager"):
        cuda_graphs.cuda_graph(compute)
    # another thread may pin the next batch's memory meanwhile
    assert Broken.told == {"capture_error_mode": "thread_local"}


@gpu
@pytest.mark.parametrize("name", sorted(SETTINGS))
@pytest.mark.parametrize("launch", ["captured", "compiled", "compiled+captured"])
def test_on_a_gpu_too(images, name, launch):
    eager, _, _ = _losses(images, SETTINGS[name], GPU)
    other, layouts, _ = _losses(images, SETTINGS[name], GPU, launch=launch)
    assert layouts[0].launch == launch
    # replays are the same kernels; compiled code rounds otherwise, and less often where the pre-training is bfloat16
    half = name == "presence"
    assert other == pytest.approx(
        eager, rel=(1e-3 if half else 1e-4) if launch == "captured" else 5e-2 if half else 1e-2
    )


@gpu
@pytest.mark.parametrize("launch", ["eager", "captured"])
@pytest.mark.parametrize("name", ["sgd", "subsampled"])
def test_on_a_gpu_fused_kernels_are_the_same_training(images, name, launch):
    eager, _, _ = _losses(images, SETTINGS[name], GPU)
    fused, layouts, _ = _losses(images, SETTINGS[name], GPU, launch=launch, kernels="fused")
    assert layouts[0].kernels == "fused"
    assert fused == pytest.approx(eager, rel=1e-3)


@gpu
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("launch", ["captured", "compiled", "compiled+captured"])
def test_on_a_gpu_a_deeplab_draws_the_same_dropout(images, monkeypatch, resident, launch):
    monkeypatch.setattr("repro.train.prefetch.fits", lambda *_: resident)
    _masks_matter_and_are_the_same(images, GPU, launch)


@gpu
@pytest.mark.parametrize("launch", ["eager", "captured"])
def test_on_a_gpu_a_training_that_was_stopped_goes_on(images, tmp_path, launch):
    settings = TRAIN.model_copy(update={"iterations": 20, "optimizer": "adamw"})
    whole, _, _ = _losses(images, settings, GPU, model=DEEPLAB, launch=launch)
    asked = iter([False] * 9 + [True])
    with pytest.raises(loop.StoppedError):
        _losses(images, settings, GPU, Hooks(tmp_path, should_stop=lambda: next(asked)), model=DEEPLAB, launch=launch)
    again, _, _ = _losses(images, settings, GPU, Hooks(tmp_path), model=DEEPLAB, launch=launch)
    assert again == pytest.approx(whole, rel=1e-3)


@gpu
def test_on_a_gpu_short_of_memory_a_captured_training_says_so_and_fits_in_micro_batches(images):
    settings = TRAIN.model_copy(update={"iterations": 6, "crop": 257, "batch_size": 16})
    model = DEEPLAB.model_copy(update={"width": 16})

    def trained(settings):
        gc.collect()
        torch.cuda.empty_cache()
        return train(model, 3, images, None, TrainingContext(settings, 0, GPU, launch="captured")).layouts[-1]

    torch.cuda.reset_peak_memory_stats()
    assert trained(settings).launch == "captured"
    share = 0.6 * torch.cuda.max_memory_reserved() / torch.cuda.mem_get_info()[1]
    try:
        torch.cuda.set_per_process_memory_fraction(share)
        with pytest.raises(torch.OutOfMemoryError):
            trained(settings)
        layout = trained(settings.model_copy(update={"micro_batch": 4}))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (layout.micro_batch, layout.launch) == (4, "eager")
