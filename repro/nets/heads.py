"""From features to logits: the heads of v2, v3 and v3+.

Every final layer is called `classifier`: it starts from N(0, 0.01) and, in v2, learns at 10 times the rate.
"""

from __future__ import annotations

from torch import Tensor, nn

from repro.nets.aspp import ASPP
from repro.nets.decoder import Decoder
from repro.nets.layers import Add, Features, SameConv2d
from repro.nets.rates import rates_at
from repro.nets.registry import register_head
from repro.spec.protocol import Model


@register_head("cascade", batch_norm=False)
class CascadeHead(nn.Module):
    """A 1x1 classifier on the last block (v3, section 3.2; v2's ResNet-101 before LargeFOV or ASPP)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, features: Features) -> Tensor:
        return self.classifier(features.high)  # type: ignore[no-any-return]


@register_head(
    "aspp",
    settings=(
        "atrous_rates", "image_pooling", "head_channels", "separable", "depthwise_batch_norm",
        "dropout", "decoder", "decoder_low_level_channels", "decoder_convs", "decoder_kernel", "decoder_channels",
    ),
)  # fmt: skip
class ASPPHead(nn.Module):
    """v3, section 3.3: ASPP and a 1x1 classifier; with a decoder in between it is v3+, section 3.1."""

    def __init__(
        self, channels: int, low_channels: dict[str, int], model: Model, classes: int, output_stride: int
    ) -> None:
        super().__init__()
        self.aspp = ASPP(channels, model, output_stride)
        width = model.head_channels
        self.decoder: Decoder | None = None
        if model.decoder:
            self.decoder = Decoder(width, low_channels, model)
            width = self.decoder.channels
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, features: Features) -> Tensor:
        x = self.aspp(features.high)
        if self.decoder is not None:
            x = self.decoder(x, features.low)
        return self.classifier(x)  # type: ignore[no-any-return]

    def readers(self) -> nn.Module:
        """The convolutions whose field of view is the network's."""
        return self.aspp.branches


class SummedHead(nn.Module):
    """Sum of several classifiers' scores (v2, section 3.2 and figure 7).

    On ResNet-101 each is a 3x3 convolution of its own atrous rate on the last block, one rate for LargeFOV, four for
    ASPP (released code; `rates` are those at output stride 8). On VGG-16 each is fc8 of a branch: 1x1 on that
    branch's share of the channels (`rates` None).
    """

    def __init__(self, channels: int, classes: int, branches: int, rates: tuple[int, ...] | None) -> None:
        super().__init__()
        self.split = rates is None
        width = channels // branches if self.split else channels
        self.classifier = nn.ModuleList()
        for i in range(branches):
            kernel, rate = (1, 1) if rates is None else (3, rates[i])
            self.classifier.append(SameConv2d(width, classes, kernel, rate=rate))
        self.add = Add()

    def forward(self, features: Features) -> Tensor:
        x = features.high
        shares = x.chunk(len(self.classifier), dim=1) if self.split else [x] * len(self.classifier)
        scores = self.classifier[0](shares[0])
        for classifier, share in zip(list(self.classifier)[1:], shares[1:], strict=True):
            scores = self.add(scores, classifier(share))
        return scores  # type: ignore[no-any-return]

    def readers(self) -> nn.Module:
        """The convolutions whose field of view is the network's."""
        return self.classifier


@register_head(
    "fc",
    backbones=("vgg16",),
    needs=("atrous_rates",),
    batch_norm=False,
    settings=("fc_kernel", "fc_channels", "dropout"),
)
def fc8(channels: int, classes: int, atrous_rates: tuple[int, ...]) -> SummedHead:
    """v2's fc8 on VGG-16's branches: their fc6 and fc7 belong to the backbone, which starts them from ImageNet."""
    return SummedHead(channels, classes, len(atrous_rates), None)


@register_head("sum_aspp", needs=("atrous_rates",), batch_norm=False)
def sum_aspp(channels: int, classes: int, atrous_rates: tuple[int, ...], output_stride: int) -> SummedHead:
    """v2's LargeFOV and ASPP on ResNet-101."""
    return SummedHead(channels, classes, len(atrous_rates), rates_at(atrous_rates, output_stride, reference=8))
