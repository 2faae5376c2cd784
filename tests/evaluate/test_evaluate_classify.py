"""Errors of ImageNet weights, with torchvision's and timm's own classifiers as the other opinion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torchvision.models import ResNet50_Weights

from repro.data.augment import normalise
from repro.data.imagenet import Labelled
from repro.errors import InputError
from repro.evaluate.classify import classifier, measure_errors, seen, transform_of
from repro.nets.layers import IMAGENET_MEAN, IMAGENET_STD
from repro.spec.parts import EvaluationTransform

CPU = torch.device("cpu")
SMALL = EvaluationTransform(72, 64)


def _photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 9, width // 9, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 333), (90, 120)])
def test_images_are_seen_as_torchvision_sees_them(height: int, width: int) -> None:
    pixels = _photo(height, width)
    found = torch.from_numpy(seen(pixels, transform_of("resnet50"))).permute(2, 0, 1).float() / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    expected = ResNet50_Weights.IMAGENET1K_V1.transforms()(Image.fromarray(pixels))
    torch.testing.assert_close((found - mean) / deviation, expected, rtol=0, atol=1e-4)


def test_images_are_seen_as_timm_sees_them() -> None:
    pixels = _photo(375, 500)
    told = timm.data.resolve_data_config(timm.get_pretrained_cfg("xception65.tf_in1k").to_dict())
    expected = timm.data.create_transform(**told)(Image.fromarray(pixels))
    found = normalise(torch.from_numpy(seen(pixels, transform_of("xception65")))[None])[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def resnet50() -> torch.nn.Module:
    torch.manual_seed(0)
    return _unsettled(torchvision.models.resnet50(num_classes=20))


def _unsettled(network: torch.nn.Module) -> torch.nn.Module:
    """Statistics that are not those of a network just made."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def test_logits_equal_torchvisions(resnet50: torch.nn.Module) -> None:
    rgb = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    ours = classifier("resnet50", resnet50.state_dict(), "file")
    with torch.inference_mode():
        want, got = resnet50((rgb - mean) / deviation), ours(rgb * 2 - 1)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3 * float(want.std()))


def test_logits_equal_timms() -> None:
    torch.manual_seed(0)
    theirs = _unsettled(timm.create_model("xception65", num_classes=20))
    ours = classifier("xception65", theirs.state_dict(), "file")
    x = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        want, got = theirs(x), ours(x)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3 * float(want.std()))


def test_errors_are_counted_as_by_hand(resnet50: torch.nn.Module, tmp_path: Path) -> None:
    network = classifier("resnet50", resnet50.state_dict(), "file")
    images = []
    for k in range(6):
        Image.fromarray(_photo(81, 99, seed=k)).save(tmp_path / f"{k}.png")
        images.append(Labelled(tmp_path / f"{k}.png", 3 * k))
    told: list[tuple[int, int]] = []
    found = measure_errors(network, images, SMALL, CPU, lambda *at: told.append(at))
    wrong = [0, 0]
    for image in images:
        pixels = seen(np.array(Image.open(image.image)), SMALL)
        with torch.inference_mode():
            order = network(normalise(torch.from_numpy(pixels)[None]))[0].argsort(descending=True).tolist()
        wrong[0] += order[0] != image.index
        wrong[1] += image.index not in order[:5]
    assert (found.top1, found.top5, found.images) == (wrong[0] / 6, wrong[1] / 6, 6)
    assert told[-1] == (6, 6)
    assert found.top1 >= found.top5


def test_what_cannot_be_measured(resnet50: torch.nn.Module, tmp_path: Path) -> None:
    state = resnet50.state_dict()
    with pytest.raises(InputError, match=r"file: its last layer is not there"):
        classifier("resnet50", {k: v for k, v in state.items() if not k.startswith("fc.")}, "file")
    with pytest.raises(InputError, match="--backbone vgg16"):
        classifier("vgg16", state, "file")
    with pytest.raises(InputError, match="these are weights of a ResNet"):
        classifier("xception65", state, "file")
    with pytest.raises(InputError, match="the weights know 20 classes, but an image has class 999"):
        measure_errors(classifier("resnet50", state, "file"), [Labelled(tmp_path / "x.png", 999)], SMALL, CPU)
