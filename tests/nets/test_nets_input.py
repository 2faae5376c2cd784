"""Mistaken inputs: what the first convolution really sees, against torchvision's transforms."""

import pytest
import torch
from torchvision.transforms import functional as transforms

from repro.nets.deeplab import build
from repro.nets.layers import IMAGENET_MEAN, IMAGENET_STD
from repro.spec.protocol import Model

MINUS_ONE_TO_ONE = Model(backbone="resnet50", units=(1, 1, 1, 3), width=2, stem_width=2)
IMAGENET = MINUS_ONE_TO_ONE.model_copy(update={"stem": "conv7", "stride_at": "first_unit"})
XCEPTION = Model(backbone="xception65", units=(1, 1, 1, 1), width=2, stem_width=2, head="aspp", atrous_rates=(1,))


def _seen(model, mistake, rgb):
    """What reaches the first convolution for (N, 3, H, W) RGB in [0, 1]."""
    network = build(model.model_copy(update={"input": mistake}), 3, 16).eval()
    seen = []
    first = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    with torch.no_grad():
        network(rgb * 2 - 1)
    return seen[0]


@pytest.fixture
def rgb():
    return torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(0))


def _imagenet(rgb):
    return transforms.normalize(rgb, IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize(
    ("model", "mistake", "wanted"),
    [
        (MINUS_ONE_TO_ONE, "right", lambda rgb: rgb * 2 - 1),
        (MINUS_ONE_TO_ONE, "bgr", lambda rgb: (rgb * 2 - 1)[:, [2, 1, 0]]),
        (MINUS_ONE_TO_ONE, "other_range", _imagenet),
        (XCEPTION, "other_range", _imagenet),
        (IMAGENET, "right", _imagenet),
        (IMAGENET, "bgr", lambda rgb: _imagenet(rgb[:, [2, 1, 0]])),
        (IMAGENET, "other_range", lambda rgb: rgb * 2 - 1),
        (MINUS_ONE_TO_ONE, "bytes", lambda rgb: 255 * transforms.normalize(rgb, IMAGENET_MEAN, (1.0, 1.0, 1.0))),
        (IMAGENET, "bytes", lambda rgb: 255 * transforms.normalize(rgb, IMAGENET_MEAN, (1.0, 1.0, 1.0))),
    ],
)
def test_the_first_convolution_sees_what_the_mistake_makes_of_it(model, mistake, wanted, rgb):
    torch.testing.assert_close(_seen(model, mistake, rgb), wanted(rgb), rtol=1e-4, atol=1e-4)
