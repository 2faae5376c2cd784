"""Upsampling and cross-entropy in one kernel, run by Triton's interpreter, against torch's own in float64."""

import pytest
import torch
from torch.nn import functional

pytest.importorskip("triton", reason="Triton comes with torch's builds for CUDA")
from repro.train import fused_loss as fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CASES = {
    "the papers' ratio": ((2, 2), (17, 17)),
    "another": ((4, 3), (11, 9)),
    "one by one": ((1, 1), (5, 4)),
    "a column": ((4, 1), (13, 6)),
    "the labels' own size": ((3, 4), (3, 4)),
    "smaller": ((5, 4), (3, 3)),
}


def _expected(logits, labels, align_corners, count=None):
    exact = logits.detach().double().requires_grad_()
    wide = functional.interpolate(exact, labels.shape[1:], mode="bilinear", align_corners=align_corners)
    loss = functional.cross_entropy(wide, labels, ignore_index=255, reduction="sum")
    loss = loss / (max(int((labels != 255).sum()), 1) if count is None else count)
    loss.backward()
    return loss, exact.grad


def _drawn(before, after, classes=5, images=2):
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(images, classes, *before, generator=draw) * 3
    labels = torch.randint(0, classes, (images, *after), generator=draw)
    labels[torch.rand(labels.shape, generator=draw) < 0.2] = 255
    return logits.to(DEVICE), labels.to(DEVICE)


@pytest.mark.parametrize(
    ("name", "align_corners"), [*((name, True) for name in CASES), ("another", False), ("smaller", False)]
)
def test_loss_and_gradient_are_torchs(name, align_corners):
    logits, labels = _drawn(*CASES[name], images=2 if name == "a column" else 1)
    logits = logits.contiguous(memory_format=torch.channels_last).requires_grad_()
    loss = fused.upsampled_cross_entropy(logits, labels, align_corners, None)
    loss.backward()
    expected, gradient = _expected(logits, labels, align_corners)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(logits.grad.double(), gradient, rtol=1e-4, atol=1e-7)


def test_bfloat16_any_layout_and_a_count_of_its_own():
    logits, labels = _drawn((2, 3), (9, 17), classes=21, images=1)
    given = logits.bfloat16().requires_grad_()  # classes first
    loss = fused.upsampled_cross_entropy(given, labels, True, torch.tensor(1000, device=DEVICE))
    (towards,) = torch.autograd.grad(2 * loss, given)
    expected, gradient = _expected(given.detach().float(), labels, True, count=1000)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(towards.double(), 2 * gradient, rtol=1e-2, atol=1e-5)
    assert towards.dtype == torch.bfloat16
    assert towards.is_contiguous(memory_format=torch.channels_last)


def test_nothing_but_void_has_no_loss_and_a_hopeless_score_a_finite_one():
    logits, labels = _drawn((2, 2), (5, 5))
    given = logits.requires_grad_()
    loss = fused.upsampled_cross_entropy(given, torch.full_like(labels, 255), True, None)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not given.grad.any()
    far = torch.zeros(1, 2, 1, 1, device=DEVICE)
    far[:, 0] = 1e4
    wrong = fused.upsampled_cross_entropy(far, torch.ones(1, 1, 1, dtype=torch.int64, device=DEVICE), True, None)
    assert float(wrong) == pytest.approx(87.34, abs=0.01)
