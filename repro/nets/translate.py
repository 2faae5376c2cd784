"""From the parameter names of other libraries' ImageNet classifiers to ours.

torchvision: `resnet50`, `resnet101`, `vgg16`, `vgg16_bn`. timm: `xception65`, `xception71`. ResNets whose stem is three
3x3 convolutions named conv1.0, conv1.3 and conv1.6 (PyTorch-Encoding) fit the stem "beta"; their input is normalised as
torchvision's, which the first convolution takes over. Classification layers are left out, but for VGG-16, whose fc6 and
fc7 become convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from repro.nets.init import generator
from repro.nets.layers import ImageNetInput

Kind = Literal["resnet", "vgg", "xception", "own", "unknown"]
State = Mapping[str, Tensor]

RESNET_RULES = (
    (r"^conv1\.weight$", "stem.0.0.weight"),
    (r"^conv1\.0\.", "stem.0.0."),
    (r"^conv1\.1\.", "stem.0.1."),
    (r"^conv1\.3\.", "stem.1.0."),
    (r"^conv1\.4\.", "stem.1.1."),
    (r"^conv1\.6\.", "stem.2.0."),
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


def kind_of(state: State) -> Kind:
    """Which network a state dict belongs to, by its names."""
    if any(k.startswith("backbone.") for k in state):
        return "own"
    if "layer1.0.conv1.weight" in state:
        return "resnet"
    if "features.0.weight" in state and "classifier.0.weight" in state:
        return "vgg"
    if "blocks.0.stack.conv1.conv_dw.weight" in state:
        return "xception"
    return "unknown"


def _renamed(state: State, rules: tuple[tuple[str, str], ...], dropped: tuple[str, ...]) -> dict[str, Tensor]:
    out = {}
    for key, value in state.items():
        if key.startswith(dropped):
            continue
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        out[key] = value
    return out


def from_resnet(state: State) -> dict[str, Tensor]:
    """torchvision's ResNet -> names of `repro.nets.resnet.ResNet`."""
    deep = "conv1.0.weight" in state
    rules = (*RESNET_RULES, (r"^bn1\.", "stem.2.1." if deep else "stem.0.1."))
    own = _renamed(state, rules, dropped=("fc.",))
    return _for_plain_input(own) if deep else own


def _for_plain_input(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights made with ImageNet's mean and deviation -> weights for images in [-1, 1], as the stem "beta" has them.

    The first convolution takes over the scaling, the statistics after it the shift. Exact but for what zero padding at
    the image's border stands for: grey instead of the mean colour.
    """
    own = ImageNetInput()
    weight, mean = state["stem.0.0.weight"], state["stem.0.1.running_mean"]
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
    """torchvision's VGG-16 -> names of `repro.nets.vgg.VGG16`.

    `units`: convolutions of each of the five blocks. fc6 (4096 x 512 x 7 x 7) is cut down to `kernel` by decimation
    (taps 0, 3, 6 for 3x3; 0, 2, 4, 6 for 4x4: v1, arXiv 1412.7062, section 3.1) and to a random subset of `channels` of
    its 4096 filters (v2, section 4.1.1), fc7 to match. The subset depends on `seed`; every branch starts from the same.
    """
    out: dict[str, Tensor] = {}
    layers = sorted({int(k.split(".")[1]) for k in state if re.fullmatch(r"features\.\d+\.weight", k)})
    convs = [n for n in layers if state[f"features.{n}.weight"].dim() == 4]
    places = [(block, i) for block, count in enumerate(units, start=1) for i in range(count)]
    for n, (block, i) in zip(convs, places, strict=False):
        for at, layer in ((0, n), (1, n + 1)):
            prefix = f"features.{layer}."
            out.update(
                {
                    f"blocks.block{block}.{i}.{at}.{k.removeprefix(prefix)}": state[k]
                    for k in state
                    if k.startswith(prefix)
                }
            )
    if not branches:
        return out
    fc6, bias6 = state["classifier.0.weight"], state["classifier.0.bias"]
    fc7, bias7 = state["classifier.3.weight"], state["classifier.3.bias"]
    kernels = fc6.reshape(len(fc6), -1, VGG_FC_SIDE, VGG_FC_SIDE)
    taps = torch.linspace(0, VGG_FC_SIDE - 1, kernel).round().long()
    kept6, kept7 = (_subset(len(fc6), channels, seed, layer) for layer in ("fc6", "fc7"))
    for branch in range(branches):
        to = f"branches.{branch}"
        out[f"{to}.fc6.0.weight"] = kernels[kept6][:, :, taps][:, :, :, taps].clone()
        out[f"{to}.fc6.0.bias"] = bias6[kept6].clone()
        out[f"{to}.fc7.0.weight"] = fc7[kept7][:, kept6][:, :, None, None].clone()
        out[f"{to}.fc7.0.bias"] = bias7[kept7].clone()
    return out


def _subset(filters: int, wanted: int, seed: int, layer: str) -> Tensor:
    """Indices of the filters that are kept, in rising order; all where as many are wanted."""
    return torch.randperm(filters, generator=generator(seed, f"decimate/{layer}"))[:wanted].sort().values
