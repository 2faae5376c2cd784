"""Kinds of GPU: the built-in table, and the user's own before it."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet50

from repro.errors import InputError
from repro.nets.cost import cost
from repro.spec.load import load_suite
from repro.spec.protocol import Model


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "repro/gpus.toml"
    path.parent.mkdir()
    return path


def test_built_in_rates_are_assumed_or_somebody_elses_and_say_so():
    gpus = load_suite().gpus
    assert {"h200", "h100", "a100", "rtx3090", "rtx4090", "l4", "t4"} <= set(gpus)
    assert "8.1 TFLOPS float32" in gpus["t4"].rate_source
    assert "71 TFLOPS dense bfloat16" in gpus["rtx3090"].rate_source
    for gpu in gpus.values():
        if gpu.measured is not None:
            assert gpu.measured.by
            assert gpu.rate_source.startswith(f"measured by others ({gpu.measured.by})")
            continue
        assert "ASSUMED, not measured" in gpu.rate_source
        assert gpu.source
        # two operations per multiply-add, and no training reaches half of a datasheet's peak
        assert 0 < gpu.rate * 1e6 < gpu.peak_tflops * 1e12 / 4


def test_a_published_step_is_turned_into_a_rate():
    # 0.85 s for 2 images of 1024 x 512 on each GPU, forward and twice that backward
    model = Model(backbone="resnet101", head="aspp", decoder=("conv2",), separable=True, atrous_rates=(12, 24, 36))
    each = cost(model, 19, 8, canvas=(513, 1025)).plain_multiply_adds
    v100 = load_suite().gpus["v100"]
    assert v100.rate * 1e6 == pytest.approx(3 * each * 2 / 0.85, rel=2e-3)
    assert v100.rate * 1e6 < 15.7e12 / 2  # the maker's float32 peak
    assert not v100.bfloat16


def test_published_images_a_second_are_turned_into_a_rate():
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        resnet50().eval()(torch.empty(1, 3, 224, 224))
    a100 = load_suite().gpus["a100"]
    assert a100.rate * 1e6 == pytest.approx(3 * counter.get_total_flops() / 2 * 2470, rel=5e-3)
    assert 0.19 < a100.rate * 1e6 / (312e12 / 2) < 0.20


def test_the_users_own_goes_first_and_adds_kinds(own):
    entry = 'memory_gb = 8\nmeasured = { rate = 3.0, what = "w", versions = "v", when = "2026-01-01" }\n'
    own.write_text(f'[h100]\ntitle = "mine"\n{entry}[laptop]\ntitle = "small"\n{entry}')
    suite = load_suite()
    assert suite.gpu("h100").title == "mine"
    assert suite.gpu("laptop").rate == 3.0
    assert suite.gpu("h200").measured is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[x]\ntitle = "t"\nmemory_gb = 0\npeak_tflops = 1\nutilisation = 0.5\n', "x: memory_gb"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\npeak_tflops = 1\nutilisation = 1.5\n', "x: utilisation"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\npeak_tflops = 1\n', "x: .*measured"),
        ('[x]\ntitle = "t"\nmemory_gb = 8\nutilization = 1\n', "x: utilization"),
        ("[x\n", "not valid TOML"),
    ],
)
def test_a_wrong_entry_is_told_with_its_file(own, text, told):
    own.write_text(text)
    with pytest.raises(InputError, match=f"gpus.toml: .*{told}|gpus.toml: {told}"):
        load_suite().gpu("x")
