"""From the parameter names of other libraries' ImageNet classifiers to ours.

torchvision: `resnet50`, `resnet101`, `vgg16`, `vgg16_bn`. timm: `xception65`, `xception71`. ResNets whose stem is three
3x3 convolutions, whatever these are called (`STEMS`), fit the stem "beta"; their input is normalised as torchvision's,
which the first convolution takes over. Classification layers are left out, but for VGG-16, whose fc6 and fc7 become
convolutions, if they are not already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from repro.nets.init import generator
from repro.nets.layers import ImageNetInput

Kind = Literal["resnet", "vgg", "xception"]
State = Mapping[str, Tensor]

STEMS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")),
    (("stem.0", "stem.1"), ("stem.3", "stem.4"), ("stem.6", "stem.7")),
    (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
    (("conv1", "bn1"),),
)
"""Names of a ResNet's first convolutions, each with its normalisation: timm's and PyTorch-Encoding's, mmsegmentation's
ResNetV1c, semantic-segmentation-pytorch's, torchvision's."""
RESNET_RULES = (
    (r"^layer(\d)\.(\d+)\.conv(\d)\.", r"blocks.block\1.\2.conv\3.0."),
    (r"^layer(\d)\.(\d+)\.bn(\d)\.", r"blocks.block\1.\2.conv\3.1."),
    (r"^layer(\d)\.(\d+)\.downsample\.", r"blocks.block\1.\2.shortcut."),
)
XCEPTION_RULES = (
    (r"^stem\.(\d)\.conv\.", r"stem.\1.0."),
    (r"^stem\.(\d)\.bn\.", r"stem.\1.1."),
    (r"\.stack\.conv1\.", ".convs.0."),
    (r"\.stack\.conv2\.", ".convs.1."),
    (r"\.stack\.conv3\.", ".convs.2."),
    (r"\.conv_dw\.", ".depthwise.0."),
    (r"\.bn_dw\.", ".depthwise.1."),
    (r"\.conv_pw\.", ".pointwise.0."),
    (r"\.bn_pw\.", ".pointwise.1."),
    (r"\.shortcut\.conv\.", ".shortcut.0."),
    (r"\.shortcut\.bn\.", ".shortcut.1."),
)
VGG_FC_SIDE = 7
VGG_FC = (("classifier.0", "classifier.3"), ("pre_logits.fc1", "pre_logits.fc2"), ("fc6", "fc7"))
"""What torchvision, timm and Caffe's converters call fc6 and fc7."""


def kind_of(state: State) -> Kind | None:
    """Which of the classifiers that are translated here a state dict is, by its names; None for any other."""
    if "layer1.0.conv1.weight" in state:
        return "resnet"
    if "features.0.weight" in state or "conv1_1.weight" in state:
        return "vgg"
    return "xception" if "blocks.0.stack.conv1.conv_dw.weight" in state else None


def _renamed(state: State, rules: tuple[tuple[str, str], ...], dropped: tuple[str, ...]) -> dict[str, Tensor]:
    out = {}
    for key, value in state.items():
        if key.startswith(dropped):
            continue
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        out[key] = value
    return out


def stem_of(state: State) -> tuple[tuple[str, str], ...]:
    """Names of a ResNet's first convolutions and of their normalisations, in order; empty where they are not known."""
    return next((stem for stem in STEMS if all(f"{conv}.weight" in state for conv, _ in stem)), ())


def from_resnet(state: State) -> dict[str, Tensor]:
    """torchvision's ResNet, or one of another stem of `STEMS` -> names of `repro.nets.resnet.ResNet`."""
    stem = stem_of(state)
    names = {name: f"stem.{at}.{part}." for at, pair in enumerate(stem) for part, name in enumerate(pair)}
    rules = (*((rf"^{re.escape(name)}\.(?!\d)", new) for name, new in names.items()), *RESNET_RULES)
    own = _renamed(state, rules, dropped=("fc.", "head.fc."))
    return _for_plain_input(own) if len(stem) > 1 else own


def _for_plain_input(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights made with ImageNet's mean and deviation -> weights for images in [-1, 1], as the stem "beta" has them.

    The first convolution takes over the scaling, the statistics after it the shift. Exact but for what zero padding at
    the image's border stands for: grey instead of the mean colour. What is not there or has another shape stays as it
    is, to be refused by name.
    """
    own = ImageNetInput()
    weight, mean = state["stem.0.0.weight"], state.get("stem.0.1.running_mean")
    if mean is None or weight.shape[1] != own.scale.numel() or mean.shape != weight.shape[:1]:
        return state
    shift = (weight * own.offset).sum(dim=(1, 2, 3))
    return {**state, "stem.0.0.weight": weight * own.scale, "stem.0.1.running_mean": mean - shift}


def resnet_units(state: State) -> tuple[int, ...]:
    """Residual units of layer1 to layer4 in a torchvision ResNet, for example (3, 4, 23, 3)."""
    found = [re.match(r"layer(\d)\.(\d+)\.conv1\.weight", key) for key in state]
    pairs = [(int(m[1]), int(m[2])) for m in found if m]
    return tuple(1 + max(unit for at, unit in pairs if at == layer) for layer in sorted({p[0] for p in pairs}))


def from_xception(state: State) -> dict[str, Tensor]:
    """timm's Xception -> names of `repro.nets.xception.Xception`."""
    return _renamed(state, XCEPTION_RULES, dropped=("head.",))


def from_vgg(
    state: State, units: tuple[int, ...], branches: int, kernel: int, channels: int, seed: int
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


def vgg_convolutions(state: State) -> list[tuple[str, str]]:
    """(name of the convolution, name where its normalisation would be) of a VGG's thirteen, in order."""
    layers = sorted({int(k.split(".")[1]) for k in state if re.fullmatch(r"features\.\d+\.weight", k)})
    found = [n for n in layers if state[f"features.{n}.weight"].dim() == 4]
    if found:
        return [(f"features.{n}", f"features.{n + 1}") for n in found]
    names = sorted(k.removesuffix(".weight") for k in state if re.fullmatch(r"conv\d_\d\.weight", k))
    return [(name, f"bn{name.removeprefix('conv')}") for name in names]


def _vgg_fc(state: State, kernel: int, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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
