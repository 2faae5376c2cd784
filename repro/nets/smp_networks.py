"""segmentation_models_pytorch's DeepLabv3 and DeepLabv3+ on timm's ResNet-101 (tables/implementations).

Both are the library's own classes; timm's ResNet takes the units and channels of its blocks, so that it is narrow where
the suite's is, but for a stem of 64 channels. The library takes images whose sides are divisible by the output stride:
here they are padded on the right and at the bottom with ImageNet's mean colour, and the logits, which it resizes to
the padded image, are cut back. It has no multi-grid and neither batch normalisation nor ReLU between the depthwise and
the pointwise part of a separable convolution.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from repro.nets.layers import ImageNetInput
from repro.nets.rates import rates_at

try:
    import segmentation_models_pytorch as smp
except ImportError as error:
    raise ImportError(
        "segmentation_models_pytorch is not installed; `pip install repro[implementations]` does; --only leaves its "
        "rows out"
    ) from error

ENCODER = "tu-resnet101"
"""timm's, as the library names it."""


class Padded(nn.Module):
    """(N, 3, H, W) -> (N, classes, H, W) of a network whose images have sides divisible by `multiple`."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.normalise = ImageNetInput()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        logits = self.network(functional.pad(self.normalise(images), padding))
        return logits[..., :height, :width]  # type: ignore[no-any-return]


def deeplabv3(
    classes: int,
    output_stride: int,
    units: tuple[int, ...] = (3, 4, 23, 3),
    width: int = 64,
    atrous_rates: tuple[int, ...] = (6, 12, 18),
    head_channels: int = 256,
    dropout: float = 0.5,
    separable: bool = False,
) -> nn.Module:
    """Return (N, 3, H, W) float32 in [-1, 1] -> logits (N, classes, H, W), random weights.

    `atrous_rates` are three, those at output stride 16, doubled at 8; the library's default is (12, 24, 36) at either.
    Raises ValueError for an output stride but 8 and 16.
    """
    return _built(smp.DeepLabV3, classes, output_stride, units, width, atrous_rates, head_channels, dropout, separable)


def deeplabv3plus(
    classes: int,
    output_stride: int,
    units: tuple[int, ...] = (3, 4, 23, 3),
    width: int = 64,
    atrous_rates: tuple[int, ...] = (6, 12, 18),
    head_channels: int = 256,
    dropout: float = 0.5,
    separable: bool = True,
) -> nn.Module:
    """As `deeplabv3`, with the library's decoder.

    `separable` is ASPP's. The library's own are one separable convolution after ASPP and one in the decoder, where the
    paper has two after joining, and 48 channels of low-level features at any width.
    """
    return _built(
        smp.DeepLabV3Plus, classes, output_stride, units, width, atrous_rates, head_channels, dropout, separable
    )


def _built(
    network: Callable[..., nn.Module],
    classes: int,
    output_stride: int,
    units: tuple[int, ...],
    width: int,
    atrous_rates: tuple[int, ...],
    head_channels: int,
    dropout: float,
    separable: bool,
) -> Padded:
    built = network(
        encoder_name=ENCODER,
        encoder_weights=None,
        encoder_output_stride=output_stride,
        decoder_channels=head_channels,
        decoder_atrous_rates=rates_at(atrous_rates, output_stride, reference=16),
        decoder_aspp_separable=separable,
        decoder_aspp_dropout=dropout,
        classes=classes,
        layers=tuple(units),
        channels=tuple(width * 2**block for block in range(4)),
    )
    return Padded(built, output_stride)
