"""The benchmark of a training step: who is compared with whom, and what a failure leaves."""

import importlib

import pytest
import torch

from repro.commands.bench import _package, located
from repro.spec.protocol import Model

NARROW = {"backbone": "resnet50", "units": (1, 1, 1, 1), "width": 2, "stem_width": 2, "head_channels": 4}


@pytest.fixture
def step(monkeypatch):
    """The module, with networks and peers that take no time; peers note how cuDNN was set."""
    module = importlib.import_module(f"{_package(located())}.step")
    small = {"": {}, "+": {"decoder": ("conv2",)}}
    models = {f"DeepLabv3{end}": Model(**{**module.ASPP, **NARROW, **more}) for end, more in small.items()}
    monkeypatch.setattr(module, "OURS", models)
    monkeypatch.setattr(module, "matmul_rate", lambda *_: 1e12)
    monkeypatch.setattr(module, "torchvisions", lambda *_: lambda: None)
    monkeypatch.setattr(module, "smps", lambda *_: lambda: None)
    return module


def test_each_of_ours_is_beside_the_one_it_is_compared_with(step):
    rows = {row.name: row for row in step.rows("cpu", 33, 2)}
    ours = ["DeepLabv3, eager", "DeepLabv3+, eager", "DeepLabv3+ separable, eager"]
    assert list(rows) == [ours[0], step.AMP, step.FLOAT32, ours[1], step.SMP, ours[2]]
    assert rows[ours[2]].against == step.SMP
    assert rows["DeepLabv3, eager"].against == step.AMP
    assert rows["DeepLabv3+, eager"].against == step.SMP
    assert 0 < rows["DeepLabv3, eager"].share < 1
    assert "output stride 8" in rows[step.AMP].note


def test_a_way_that_fails_is_a_row_and_the_others_go_on(step, monkeypatch, capsys):
    monkeypatch.setattr(step, "launch_modes", lambda _: ("captured", "eager"))
    rows = {row.name: row for row in step.rows("cpu", 33, 2)}
    assert rows["DeepLabv3, captured"].value == 0
    assert rows["DeepLabv3, captured"].note.startswith("failed: --launch captured: needs a CUDA device")
    assert rows["DeepLabv3, eager"].value > 0
    assert step.AMP in rows
    assert step.FLOAT32 in rows
    assert "DeepLabv3+, captured: failed" in capsys.readouterr().err


def test_peers_choose_their_convolutions_as_their_script_does_and_ours_do_not(step):
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    seen = []

    def loss_of(out, _):
        seen.append((torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32))
        return out.mean()

    step._reference_steps(torch.nn.Conv2d(3, 2, 1), loss_of, "cpu", 9, 2, amp=False)()
    assert set(seen) == {(True, True)}
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32) == before


def test_a_thread_of_a_training_takes_the_device_by_its_number(step, monkeypatch):
    """torch refuses "cuda" alone, which is what `--device cuda` means on a machine whose GPUs nobody counted."""
    taken = []
    monkeypatch.setattr(torch._C, "_cuda_setDevice", taken.append, raising=False)
    monkeypatch.setattr(step, "build", lambda *_: None)
    monkeypatch.setattr(step, "fit", lambda *_: None)
    monkeypatch.setattr(step, "Paced", lambda run: run)
    with torch.device("meta"):
        for device in ("cuda", "cuda:1"):
            step.ours(step.OURS["DeepLabv3"], device, 33, 2)(lambda: True)
    assert taken == [0, 1]
