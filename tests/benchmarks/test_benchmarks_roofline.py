"""The roofline of a step against counts from elsewhere: multiply-adds of the plan's arithmetic, maps seen by hooks."""

import importlib

import pytest
import torch
from torch import nn

from repro.commands.bench import _package, located
from repro.errors import InputError
from repro.nets.deeplab import build
from repro.plan.layers import multiply_adds
from repro.spec.gpu import Gpu
from repro.spec.load import load_suite
from repro.spec.protocol import Model

MODEL = Model(
    backbone="resnet50", units=(1, 1, 2, 1), width=8, stem_width=8, head="aspp", atrous_rates=(1, 2), head_channels=8
)
CROP, BATCH = 65, 8


@pytest.fixture(scope="module")
def roofline():
    return importlib.import_module(f"{_package(located())}.roofline")


@pytest.fixture(scope="module")
def step(roofline):
    return roofline.recorded(MODEL, CROP, BATCH, 1e12, 1e9)


def test_multiply_adds_are_the_plans(step):
    forward = 2 * BATCH * multiply_adds(MODEL, 16, CROP, CROP, 21)
    assert step.kinds["convolution"].flops == forward
    # two products each, but for the images, which need no gradient: the first convolution's 3x3x3x8 at half the side
    images = 2 * BATCH * 27 * 8 * 33**2
    assert step.kinds["convolution, gradient"].flops == 2 * forward - images


def test_normalisations_pass_over_their_maps_three_and_five_times(step):
    with torch.device("meta"):
        network = build(MODEL, 21, 16).train()
    sizes = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _m, _given, out: sizes.append(out.numel() * 2))  # bfloat16
    network(torch.zeros(BATCH, 3, CROP, CROP, device="meta"))
    for name, passes in (("normalisation", 3), ("normalisation, gradient", 5)):
        assert step.kinds[name].operations == len(sizes)
        # and some values for each channel
        assert step.kinds[name].bytes == pytest.approx(passes * sum(sizes), rel=0.03)


def test_each_way_saves_something_and_none_is_below_what_must_be_moved(roofline, step):
    *seconds, built = roofline.predicted(step).values()
    assert seconds[-2] < built < seconds[0]
    assert seconds[0] == pytest.approx(sum(kind.seconds for kind in step.kinds.values()))
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) == len(seconds)
    kinds = step.kinds
    assert (
        seconds[-1] > kinds["convolution"].seconds + kinds["convolution, gradient"].seconds + kinds["loss"].least / 1e9
    )


def test_rows_are_for_the_kind_of_gpu_that_was_named(roofline, step, monkeypatch):
    asked = []
    monkeypatch.setattr(roofline, "recorded", lambda *given: (asked.append(given[-2:]), step)[1])
    gpus = load_suite(None)
    rows = {row.name: row for row in roofline.bench("cpu", gpus.gpu("h100"))}
    assert asked == [(798e12, 3.0e12)]
    assert rows["compiled"].share == rows["products alone"].value / rows["compiled"].value
    assert all(gpu.roofline for gpu in gpus.gpus.values())
    for gpu in (gpus.gpu("t4"), Gpu(title="mine", memory_gb=8, peak_tflops=1, utilisation=0.2)):
        with pytest.raises(InputError, match="bfloat16" if gpu.memory_tb_s else "memory_tb_s"):
            roofline.bench("cpu", gpu)
