"""VGG-16 as DeepLab v2 uses it: DeepLab-LargeFOV and its relatives, ASPP-S and ASPP-L.

Very Deep Convolutional Networks (arXiv 1409.1556); DeepLab v2 (arXiv 1606.00915), sections 3.1 to 3.2, figure 7 and
Table 1; released Caffe code (train.prototxt of the VGG-16 models).

1. Thirteen 3x3 convolutions with biases; max pooling is 3x3 with padding 1 (the original: 2x2), stride 2 after blocks 1
   to 3. At output stride 8 pools 4 and 5 have stride 1 and block 5 has rate 2; at 16 and 32 the strides come back.
2. fc6 is a convolution (7x7, 4x4 or 3x3) with an atrous rate, fc7 is 1x1, dropout after both. Rates are given for
   output stride 8, the only one v2 uses. An even kernel at an odd rate is padded one pixel more at bottom and right.
3. ASPP: one branch fc6-fc7-fc8 for each rate; scores are summed (the classifiers fc8 are in the head).
4. Departure for small scales without ImageNet weights: `vgg_batch_norm` puts batch normalisation before each ReLU; the
   plain network does not learn from a random start in few steps.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from repro.nets.backbone import Backbone, StateDict
from repro.nets.init import generator
from repro.nets.layers import Features, ImageNetInput, SameConv2d
from repro.nets.rates import rates_at
from repro.nets.registry import register_backbone
from repro.spec.protocol import Model

VGG_FC_SIDE = 7
VGG_FC = (("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2"), ("fc6", "fc7"))
"""What torchvision, timm and Caffe's converters call fc6 and fc7."""


class ConvReLU(nn.Sequential):
    """Convolution with bias that keeps the size, batch normalisation where asked for, ReLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int, *, rate: int = 1, batch_norm: bool, eps: float) -> None:
        layers: list[nn.Module] = [SameConv2d(c_in, c_out, kernel, rate=rate)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(c_out, eps=eps))
        super().__init__(*layers, nn.ReLU(inplace=True))


class Branch(nn.Module):
    """fc6 and fc7 of one branch: (N, C, h, w) -> (N, fc_channels, h, w)."""

    def __init__(self, c_in: int, rate: int, model: Model) -> None:
        super().__init__()
        width, norm, eps = model.fc_channels, model.vgg_batch_norm, model.batch_norm_eps
        self.fc6 = ConvReLU(c_in, width, model.fc_kernel, rate=rate, batch_norm=norm, eps=eps)
        self.drop6 = nn.Dropout(model.dropout)
        self.fc7 = ConvReLU(width, width, 1, batch_norm=norm, eps=eps)
        self.drop7 = nn.Dropout(model.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop7(self.fc7(self.drop6(self.fc6(x))))  # type: ignore[no-any-return]


@register_backbone(
    "vgg16",
    units=(2, 2, 3, 3),
    batch_norm="vgg_batch_norm",
    settings=("units", "width", "batch_norm_eps", "vgg_batch_norm"),
    takes_weights_of="torchvision's vgg16 (vgg16_bn with model.vgg_batch_norm=true)",
    weights=(
        {
            "name": "vgg16",
            "url": "https://download.pytorch.org/models/vgg16-397923af.pth",
            "sha256": "397923af",
        },
    ),
)
class VGG16(Backbone):
    """Backbone with the branches fc6-fc7 of head "fc" (they start from ImageNet like the rest), else up to pool5.

    `units` are the convolutions of blocks 1 to 4; block 5 has as many as block 4. `forward`: (N, 3, H, W) float32 ->
    Features(low {}, high: the branches' outputs one after the other along the channels).
    """

    starts_elsewhere = ("branches.",)

    def __init__(self, model: Model, output_stride: int) -> None:
        super().__init__()
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride {output_stride} is out of reach: VGG-16 makes 8, 16 or 32")
        norm, eps = model.vgg_batch_norm, model.batch_norm_eps
        self.normalise = ImageNetInput()
        self.blocks = nn.ModuleDict()
        self.pools = nn.ModuleList()
        channels, current, rate = 3, 1, 1
        for block in range(1, 6):
            width = model.width * 2 ** (min(block, 4) - 1)
            convs = nn.Sequential()
            for _ in range(model.units[min(block, 4) - 1]):
                convs.append(ConvReLU(channels, width, 3, rate=rate, batch_norm=norm, eps=eps))
                channels = width
            self.blocks[f"block{block}"] = convs
            stride = 2 if current < output_stride else 1
            self.pools.append(nn.MaxPool2d(3, stride=stride, padding=1))
            current, rate = (current * 2, rate) if stride == 2 else (current, rate * 2)
        self.branches = nn.ModuleList()
        if model.head == "fc":
            for fc_rate in rates_at(model.atrous_rates, output_stride, reference=8):
                self.branches.append(Branch(channels, fc_rate, model))
            channels = model.fc_channels * len(self.branches)
        self.model, self.channels, self.output_stride = model, channels, output_stride

    def forward(self, x: Tensor) -> Features:
        x = self.normalised(x)
        for convs, pool in zip(self.blocks.values(), self.pools, strict=True):
            x = pool(convs(x))
        if len(self.branches) > 0:
            return Features({}, torch.cat([branch(x) for branch in self.branches], dim=1))
        return Features({}, x)

    def recognises(self, state: StateDict) -> bool:
        return "features.0.weight" in state or "conv1_1.weight" in state

    def converted(self, state: StateDict, source: str, seed: int) -> dict[str, Tensor]:  # noqa: ARG002
        model, branches = self.model, len(self.branches)
        return from_vgg(state, (*model.units, model.units[3]), branches, model.fc_kernel, model.fc_channels, seed)

    def readers(self) -> nn.Module | None:
        return self.branches if len(self.branches) else None


def from_vgg(
    state: StateDict, units: tuple[int, ...], branches: int, kernel: int, channels: int, seed: int
) -> dict[str, Tensor]:
    """torchvision's or timm's VGG-16, or one with Caffe's names -> names of `repro.nets.vgg.VGG16`.

    `units`: convolutions of each of the five blocks. fc6 (4096 x 512 x 7 x 7, as a matrix or a convolution) is cut down
    to `kernel` by decimation (taps 0, 3, 6 for 3x3; 0, 2, 4, 6 for 4x4: v1, arXiv 1412.7062, section 3.1) and to a
    random subset of `channels` of its filters (v2, section 4.1.1), fc7 to match. One that has `kernel` already is kept
    as it is. The subset depends on `seed`; every branch starts from the same. Raises ValueError where fc6 or fc7 cannot
    be used so.
    """
    out: dict[str, Tensor] = {}
    convs, places = vgg_convolutions(state), [(b, i) for b, count in enumerate(units, start=1) for i in range(count)]
    if len(convs) != len(places):
        raise ValueError(f"a VGG with {len(convs)} convolutions; the network has {len(places)}, as VGG-16")
    for (conv, norm), (block, i) in zip(convs, places, strict=True):
        for at, layer in ((0, conv), (1, norm)):
            prefix = f"{layer}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            out.update({f"blocks.block{block}.{i}.{at}.{name}": value for name, value in own.items()})
    if not branches:
        return out
    fc6, bias6, fc7, bias7 = _vgg_fc(state, kernel, channels)
    taps = torch.linspace(0, fc6.shape[-1] - 1, kernel).round().long()
    kept6, kept7 = (_subset(len(fc6), channels, seed, layer) for layer in ("fc6", "fc7"))
    for branch in range(branches):
        to = f"branches.{branch}"
        out[f"{to}.fc6.0.weight"] = fc6[kept6][:, :, taps][:, :, :, taps].clone()
        out[f"{to}.fc6.0.bias"] = bias6[kept6].clone()
        out[f"{to}.fc7.0.weight"] = fc7[kept7][:, kept6][:, :, None, None].clone()
        out[f"{to}.fc7.0.bias"] = bias7[kept7].clone()
    return out


def vgg_convolutions(state: StateDict) -> list[tuple[str, str]]:
    """(name of the convolution, name where its normalisation would be) of a VGG's thirteen, in order."""
    layers = sorted({int(k.split(".")[1]) for k in state if re.fullmatch(r"features\.\d+\.weight", k)})
    convolutions = [n for n in layers if state[f"features.{n}.weight"].dim() == 4]
    if convolutions:
        return [(f"features.{n}", f"features.{n + 1}") for n in convolutions]
    names = sorted(k.removesuffix(".weight") for k in state if re.fullmatch(r"conv\d_\d\.weight", k))
    return [(name, f"bn{name.removeprefix('conv')}") for name in names]


def _vgg_fc(state: StateDict, kernel: int, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """fc6 (F, C, k, k) and its bias, fc7 (F', F) and its bias, of a VGG; ValueError where they cannot be used."""
    names = next((pair for pair in VGG_FC if all(f"{name}.weight" in state for name in pair)), None)
    if names is None:
        raise ValueError("fc6 and fc7 are not in it, and the network has them. Give the whole classifier")
    missing = [f"{name}.bias" for name in names if f"{name}.bias" not in state]
    if missing:
        raise ValueError(f"{missing[0]} is not in it")
    fc6, bias6, fc7, bias7 = (state[f"{name}.{part}"] for name in names for part in ("weight", "bias"))
    for name, weight, bias in zip(names, (fc6, fc7), (bias6, bias7), strict=True):
        if bias.shape != weight.shape[:1]:
            raise ValueError(f"{name}.bias has shape {tuple(bias.shape)}, its weights {tuple(weight.shape)}")
    if fc6.dim() == 2 and fc6.shape[1] % VGG_FC_SIDE**2 == 0:
        fc6 = fc6.reshape(len(fc6), -1, VGG_FC_SIDE, VGG_FC_SIDE)
    shape = " x ".join(map(str, fc6.shape))
    if fc6.dim() != 4 or fc6.shape[2] != fc6.shape[3]:
        raise ValueError(f"fc6 ({names[0]}) is {shape}, neither a square convolution nor a matrix for 7 x 7 pixels")
    side = fc6.shape[2]
    if side not in (kernel, VGG_FC_SIDE) or side < kernel:
        raise ValueError(
            f"fc6 ({names[0]}) is a convolution of {side} x {side}; model.fc_kernel={kernel} takes one of {kernel} x "
            f"{kernel}, or of 7 x 7 to cut down. Choose cells with such a kernel, or weights with the whole fc6"
        )
    if len(fc6) < channels:
        raise ValueError(
            f"fc6 ({names[0]}) has {len(fc6)} filters, fewer than model.fc_channels={channels}. Choose cells with as "
            "few, or weights with the whole fc6"
        )
    if fc7.dim() == 4 and fc7.shape[2:] == (1, 1):
        fc7 = fc7[:, :, 0, 0]
    if fc7.dim() != 2 or fc7.shape[1] != len(fc6) or len(fc7) < channels:
        shape = " x ".join(map(str, fc7.shape))
        raise ValueError(f"fc7 ({names[1]}) is {shape}; {len(fc6)} inputs and at least {channels} outputs are needed")
    return fc6, bias6, fc7, bias7


def _subset(filters: int, wanted: int, seed: int, layer: str) -> Tensor:
    """Indices of the filters that are kept, in rising order; all where as many are wanted."""
    return torch.randperm(filters, generator=generator(seed, f"decimate/{layer}"))[:wanted].sort().values
