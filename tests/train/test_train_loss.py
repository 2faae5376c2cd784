"""Losses against PyTorch's own, values and gradients."""

import pytest
import torch
from torch.nn import functional

from repro.train.loss import pixel_loss, presence_loss, subsample


def _sample(seed: int, void: float = 0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 5, 9, 9, generator=generator, dtype=torch.float32) * 3
    labels = torch.randint(0, 5, (3, 33, 33), generator=generator)
    labels[torch.rand(3, 33, 33, generator=generator) < void] = 255
    return logits, labels


@pytest.mark.parametrize("seed", range(4))
def test_upsampled_logits_agree_with_interpolate_and_cross_entropy(seed):
    logits, labels = _sample(seed)
    ours = logits.clone().requires_grad_()
    theirs = logits.clone().requires_grad_()
    loss = pixel_loss(ours, labels, upsample_logits=True)
    upsampled = functional.interpolate(theirs, size=(33, 33), mode="bilinear", align_corners=True)
    expected = functional.cross_entropy(upsampled, labels, ignore_index=255)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


def test_subsampled_labels_take_every_fourth_pixel_since_corners_are_aligned():
    logits, labels = _sample(0)
    assert torch.equal(subsample(labels, (9, 9)), labels[:, ::4, ::4])
    loss = pixel_loss(logits, labels, upsample_logits=False)
    assert loss.item() == pytest.approx(
        functional.cross_entropy(logits, labels[:, ::4, ::4], ignore_index=255).item(), rel=1e-6
    )


def test_a_batch_of_void_has_loss_zero_and_no_gradient():
    logits = torch.randn(2, 5, 9, 9, requires_grad=True)
    loss = pixel_loss(logits, torch.full((2, 33, 33), 255), upsample_logits=True)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_a_hopeless_logit_gives_a_finite_loss():
    logits = torch.zeros(1, 2, 1, 1)
    logits[0, 0] = 1e4
    assert torch.isfinite(pixel_loss(logits, torch.ones(1, 1, 1, dtype=torch.long), upsample_logits=True))


def test_presence_counts_classes_with_a_pixel_and_never_void():
    labels = torch.tensor([[[0, 1], [255, 1]], [[255, 255], [2, 2]]])
    logits = torch.randn(2, 4)
    target = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 0]])
    expected = functional.binary_cross_entropy_with_logits(logits, target)
    assert presence_loss(logits, labels).item() == pytest.approx(expected.item())
