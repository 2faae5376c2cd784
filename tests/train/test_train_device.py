"""What a step asks of a GPU, seen on make-believe CUDA tensors: no machine needs one for this."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repro.nets.resize import matrix, resize, weights
from repro.spec.protocol import Model, Pretrain, Train
from repro.train import loss as losses
from repro.train.context import TrainingContext
from repro.train.distributed import SINGLE_PROCESS, Trainer
from repro.train.loss import _CrossEntropy
from repro.train.optimizer import hold_rates, make_optimizer, set_rates
from repro.train.prefetch import Batch
from repro.train.step import backward
from repro.train.training import network_of

CUDA = torch.device("cuda")
NARROW = {"backbone": "resnet50", "units": (1, 1, 1, 1), "width": 2, "stem_width": 2, "head_channels": 4}
ASPP = {**NARROW, "head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
DECODER = {"decoder": ("conv2",), "decoder_channels": 4, "decoder_low_level_channels": 2}
TRAIN = Train(crop=33, batch_size=4, iterations=9, lr=0.01)
CASES = {
    "v3": (Model(**ASPP), TRAIN),
    "v3+, AdamW": (Model(**ASPP, **DECODER), TRAIN.model_copy(update={"optimizer": "adamw"})),
    "subsampled labels": (Model(**NARROW), TRAIN.model_copy(update={"upsample_logits": False, "void": "background"})),
    "several scales": (Model(**NARROW, multi_scale=True), TRAIN.model_copy(update={"upsample_logits": False})),
    "presence": (Model(**NARROW), Pretrain(crop=33, batch_size=4, iterations=9)),
}
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "aten.equal.", "repeat_interleave.Tensor")


class Watched(TorchDispatchMode):
    """Notes operations that a CUDA graph cannot hold: copies from and to the host, and what waits for the device."""

    def __init__(self):
        super().__init__()
        self.found, self.all = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        kinds = {t.device.type for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)}
        self.all += 1
        if "cpu" in kinds or any(name in str(func) for name in WAITS):
            self.found.append(f"{func} {sorted(kinds)}")
        return out


@pytest.fixture
def make_believe(monkeypatch):
    """Tensors on a CUDA device that is not there. Without it autograd has no thread for them and kernels of fused
    optimisers no form, so these are left out."""

    def fused(_parameters, *_, lr, **__):
        assert isinstance(lr, torch.Tensor)
        assert lr.is_cuda

    def gradients(self, _loss):
        for parameter in self._call.parameters():
            parameter.grad = torch.zeros_like(parameter)

    monkeypatch.setattr(torch, "_fused_sgd_", fused)
    monkeypatch.setattr(torch, "_fused_adamw_", fused)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(Trainer, "backward", gradients)
    kept = matrix, losses._evenly
    for cache in kept:
        cache.cache_clear()
    with FakeTensorMode():
        yield
    for cache in kept:
        cache.cache_clear()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("make_believe")
def test_after_the_first_a_step_neither_copies_from_the_host_nor_waits(name):
    model, settings = CASES[name]
    with torch.device(CUDA):
        network = network_of(model, 3, settings).train()
        pixels, labels = torch.zeros(7, 40, 40, 3, dtype=torch.uint8), torch.zeros(7, 40, 40, dtype=torch.uint8)
        sizes, drawn = torch.zeros(7, 2, dtype=torch.int32), torch.zeros(4, 6, dtype=torch.int64)
    batch = Batch(pixels, labels, sizes, drawn)
    optimizer = make_optimizer(network, settings)
    hold_rates(optimizer, CUDA, captured=True)
    trainer = SINGLE_PROCESS.trainer(network, settings)
    for step in range(2):
        set_rates(optimizer, 0.01)
        with Watched() as watched:
            x, y = batch.samples(settings)
            optimizer.zero_grad(set_to_none=True)
            backward(trainer, x, y, TrainingContext(settings, 0, torch.device("cpu")), step)
            optimizer.step()
    assert watched.all > 100
    assert watched.found == []


@pytest.mark.usefixtures("make_believe")
def test_the_gradient_of_the_loss_does_not_wait_either():
    logits = torch.zeros(2, 3, 5, 5, device=CUDA)
    context = type("Context", (), {"save_for_backward": lambda self, *t: setattr(self, "saved_tensors", t)})()
    with Watched() as watched:
        loss = _CrossEntropy.forward(context, logits, torch.zeros(2, 5, 5, dtype=torch.int64, device=CUDA), None)
        _CrossEntropy.backward(context, torch.ones_like(loss))
    assert watched.found == []


@pytest.mark.usefixtures("make_believe")
@pytest.mark.parametrize("sizes", [((1, 1), (5, 4)), ((5, 4), (9, 17)), ((5, 4), (1, 1))])
@pytest.mark.parametrize("align_corners", [True, False])
def test_a_size_first_met_is_made_on_the_device(sizes, align_corners):
    # torch.compile traces how the weights are made into its graph: a copy from the host would be made at every step
    before, after = sizes
    with Watched() as watched:
        for one, other in zip(before, after, strict=True):
            weights(one, other, CUDA, torch.float32, align_corners)
        resize(torch.zeros(1, 2, *before, device=CUDA), after, align_corners=align_corners)
    assert watched.found == []
