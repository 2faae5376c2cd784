"""ResNet-50 and ResNet-101 as DeepLab uses them, with cascaded blocks.

Deep Residual Learning (arXiv 1512.03385); DeepLab v3 (arXiv 1706.05587), sections 3.1 to 3.2 and figure 3;
stem and stride placement as in the released TensorFlow code (`resnet_v1_101_beta`, slim).

1. Stem "beta": 3x3 stride 2, 3x3, 3x3, then 3x3 max pooling with stride 2. "conv7" is the original 7x7, for
   which torchvision has weights; its input is normalised as theirs.
2. A block's stride of 2 sits in the 3x3 convolution of its *last* unit; the last block has none.
   `stride_at="first_unit"` is torchvision's placement (3x3 of the first unit, block1 without stride), "first_conv" that
   of the original weights, which v2 used: the first unit's first 1x1 and its projection.
3. Once the output stride is reached, a stride becomes 1 and the atrous rate doubles: after that unit in the TensorFlow
   code and in torchvision, from that unit on in v2 (Caffe: all of res4 at rate 2, all of res5 at rate 4).
4. blocks 5 to 7 repeat block4 (3 units, same widths); `multi_grid` multiplies the rates of the three units
   of block4 and every later block.
5. Identity shortcuts of strided units are subsampled; a unit whose depth changes has a 1x1 projection.
6. What a decoder taps is the third convolution of a block's last unit but one, after batch normalisation and before the
   addition (released code: `block1/unit_2/bottleneck_v1/conv3`, `block2/unit_3/...`). Where a narrow network's block
   has a single, strided unit, its first 1x1 stands in: the last map before the stride.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from repro.errors import InputError
from repro.nets import foreign
from repro.nets.backbone import Backbone, StateDict, renamed
from repro.nets.layers import Add, ConvBN, Features, ImageNetInput, Subsample
from repro.nets.registry import register_backbone
from repro.spec.protocol import Model

EXPANSION = 4
STEM_STRIDE = 4
TAPPED_BLOCK = {"conv2": "block1", "conv3": "block2"}
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


@dataclass(frozen=True)
class UnitPlan:
    """One residual unit: where it stands and how its convolutions sample."""

    block: int
    unit: int
    inner: int
    stride: int
    rate: int
    """Atrous rate of the 3x3 convolution."""
    stride_in_conv1: bool = False
    """The stride sits in the first 1x1 instead of the 3x3."""


def plan_units(model: Model, output_stride: int) -> list[UnitPlan]:
    """Lay out strides and atrous rates of every unit (paper v3, figure 3 and section 3.2).

    Raises ValueError where the blocks cannot reach `output_stride`.
    """
    at_last = model.stride_at == "last_unit"
    at_once = model.stride_at == "first_conv"
    current, rate, plans = STEM_STRIDE, 1, []
    for block in range(1, model.last_block + 1):
        units = model.units[min(block, 4) - 1]
        strided = block < model.last_block if at_last else block > 1
        for unit in range(units):
            stride, next_rate = 1, rate
            if strided and unit == (units - 1 if at_last else 0):
                if current < output_stride:
                    stride, current = 2, current * 2
                else:
                    next_rate = rate * 2
            factor = model.multi_grid[unit] if block >= 4 and unit < len(model.multi_grid) else 1
            own_rate = next_rate if at_once else rate
            inner = model.width * 2 ** (min(block, 4) - 1)
            plans.append(UnitPlan(block, unit, inner, stride, own_rate * factor, at_once))
            rate = next_rate
    if current != output_stride:
        raise ValueError(
            f"output_stride {output_stride} needs more blocks than model.last_block={model.last_block} has "
            f"(they reach {current})"
        )
    return plans


class Unit(nn.Module):
    """Bottleneck: 1x1, 3x3 (stride and rate here), 1x1, added to the shortcut."""

    adds_in_norm = False
    """Whether the last normalisation adds the shortcut and rectifies (`repro.nets.fused_norm`)."""

    def __init__(self, c_in: int, plan: UnitPlan, eps: float) -> None:
        super().__init__()
        self.inner = plan.inner
        c_out = plan.inner * EXPANSION
        first, second = (plan.stride, 1) if plan.stride_in_conv1 else (1, plan.stride)
        self.conv1 = ConvBN(c_in, plan.inner, 1, stride=first, eps=eps)
        self.conv2 = ConvBN(plan.inner, plan.inner, 3, stride=second, rate=plan.rate, eps=eps)
        self.conv3 = ConvBN(plan.inner, c_out, 1, eps=eps, relu=False)
        self.shortcut = ConvBN(c_in, c_out, 1, stride=plan.stride, eps=eps, relu=False) if c_in != c_out else None
        self.subsample = Subsample(plan.stride) if plan.stride > 1 and c_in == c_out else None
        self.add = Add()

    def forward(self, x: Tensor) -> Tensor:
        return self.tapped(x)[0]

    def tapped(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, C, H, W) -> the unit's output, its branch before the addition, its first 1x1."""
        inner = self.conv1(x)
        if self.adds_in_norm:
            convolution, norm = self.conv3
            out: Tensor = norm(convolution(self.conv2(inner)), self._shortcut(x))
            return out, out, inner
        branch = self.conv3(self.conv2(inner))
        x = self._shortcut(x)
        return torch.relu(self.add(x, branch)), branch, inner

    def _shortcut(self, x: Tensor) -> Tensor:
        for shortcut in (self.shortcut, self.subsample):
            if shortcut is not None:
                x = shortcut(x)
        return x


@register_backbone(
    "resnet50",
    units=(3, 4, 6, 3),
    taps=("conv2", "conv3"),
    settings=(
        "units", "width", "stem", "stem_width", "stride_at", "last_block", "multi_grid", "residual_gamma",
        "batch_norm_eps", "decoder",
    ),
    takes_weights_of="torchvision's resnet50 or resnet101",
    weights=(
        {
            "name": "resnet50s",
            "when": {"stem": "beta"},
            "url": "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1/gluon_resnet50_v1s-1762acc0.pth",
            "sha256": "1762acc0",
        },
        {
            "name": "resnet50",
            "url": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
            "sha256": "0676ba61",
        },
    ),
    transform=(256, 224),
)  # fmt: skip
@register_backbone(
    "resnet101",
    units=(3, 4, 23, 3),
    taps=("conv2", "conv3"),
    settings=(
        "units", "width", "stem", "stem_width", "stride_at", "last_block", "multi_grid", "residual_gamma",
        "batch_norm_eps", "decoder",
    ),
    takes_weights_of="torchvision's resnet50 or resnet101",
    weights=(
        {
            "name": "resnet101s",
            "when": {"stem": "beta"},
            "url": "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1/gluon_resnet101_v1s-60fe0cc1.pth",
            "sha256": "60fe0cc1",
        },
        {
            "name": "resnet101",
            "url": "https://download.pytorch.org/models/resnet101-63fe2227.pth",
            "sha256": "63fe2227",
        },
    ),
    transform=(256, 224),
)  # fmt: skip
class ResNet(Backbone):
    """Backbone up to `model.last_block`; parameter names do not depend on the output stride.

    `forward`: (N, 3, H, W) float32 -> Features(low: what `model.decoder` names, high at `output_stride`).
    """

    starts_elsewhere = files_lack = ("blocks.block5.", "blocks.block6.", "blocks.block7.")

    def __init__(self, model: Model, output_stride: int) -> None:
        super().__init__()
        eps, stem = model.batch_norm_eps, model.stem_width
        self.normalise = ImageNetInput() if model.stem == "conv7" else None
        if model.stem == "beta":
            self.stem = nn.Sequential(
                ConvBN(3, stem, 3, stride=2, eps=eps),
                ConvBN(stem, stem, 3, eps=eps),
                ConvBN(stem, 2 * stem, 3, eps=eps),
            )
            channels = 2 * stem
        else:
            self.stem = nn.Sequential(ConvBN(3, stem, 7, stride=2, eps=eps))
            channels = stem
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.ModuleDict()
        for plan in plan_units(model, output_stride):
            name = f"block{plan.block}"
            if name not in self.blocks:
                self.blocks[name] = nn.ModuleList()
            unit = Unit(channels, plan, eps)
            nn.init.constant_(unit.conv3.norm.weight, model.residual_gamma)
            cast(nn.ModuleList, self.blocks[name]).append(unit)
            channels = plan.inner * EXPANSION
        self.model, self.channels, self.output_stride = model, channels, output_stride
        self._taps: dict[str, tuple[str, int, bool]] = {}
        self.low_channels: dict[str, int] = {}
        for level in model.decoder:
            block = TAPPED_BLOCK[level]
            units = self.units_of(block)
            from_conv1 = len(units) == 1 and model.stride_at == "last_unit"
            at = max(0, len(units) - 2)
            self._taps[level] = (block, at, from_conv1)
            self.low_channels[level] = units[at].inner if from_conv1 else units[at].inner * EXPANSION

    def forward(self, x: Tensor) -> Features:
        x = self.pool(self.stem(self.normalised(x)))
        low: dict[str, Tensor] = {}
        for name in self.blocks:
            for i, unit in enumerate(self.units_of(name)):
                x, branch, inner = unit.tapped(x)
                for level, (block, at, from_conv1) in self._taps.items():
                    if (block, at) == (name, i):
                        low[level] = inner if from_conv1 else branch
        return Features(low, x)

    def units_that_add(self) -> list[Unit]:
        """The units of which nobody wants the branch before it is added."""
        tapped = [self.units_of(block)[at] for block, at, from_conv1 in self._taps.values() if not from_conv1]
        return [unit for name in self.blocks for unit in self.units_of(name) if unit not in tapped]

    def units_of(self, block: str) -> list[Unit]:
        """The residual units of a block, "block1" to "block7"."""
        return list(cast(Iterator[Unit], self.blocks[block].children()))

    def recognises(self, state: StateDict) -> bool:
        return "layer1.0.conv1.weight" in state

    def converted(self, state: StateDict, source: str, seed: int) -> dict[str, Tensor]:  # noqa: ARG002
        _check_resnet(self.model, state, source)
        return from_resnet(state)

    def as_trained(self, state: StateDict) -> dict[str, object]:
        stem = {} if len(stem_of(state)) > 1 else {"stem": "conv7"}
        return {**stem, "stride_at": "first_unit"}

    def complete(self) -> None:
        """After loading a classification network: start blocks 5 to 7 as copies of block4 (paper v3, section 3.2).

        block4's first unit reads half the channels, so the first unit of a later block is copied from block4's
        second: the only unit of the same shape.
        """
        block4 = self.units_of("block4")
        for name in self.blocks:
            if name > "block4":
                for i, unit in enumerate(self.units_of(name)):
                    source = block4[max(i, min(1, len(block4) - 1))].state_dict()
                    own = unit.state_dict()
                    # shapes differ only where block4 has a single unit (narrow networks)
                    fitting = {k: source[k] for k, v in own.items() if k in source and source[k].shape == v.shape}
                    unit.load_state_dict({**own, **fitting})


def stem_of(state: StateDict) -> tuple[tuple[str, str], ...]:
    """Names of a ResNet's first convolutions and of their normalisations, in order; empty where they are not known."""
    return next((stem for stem in STEMS if all(f"{conv}.weight" in state for conv, _ in stem)), ())


def from_resnet(state: StateDict) -> dict[str, Tensor]:
    """torchvision's ResNet, or one of another stem of `STEMS` -> names of `repro.nets.resnet.ResNet`."""
    stem = stem_of(state)
    names = {name: f"stem.{at}.{part}." for at, pair in enumerate(stem) for part, name in enumerate(pair)}
    rules = (*((rf"^{re.escape(name)}\.(?!\d)", new) for name, new in names.items()), *RESNET_RULES)
    own = renamed(state, rules, dropped=("fc.", "head.fc."))
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


def resnet_units(state: StateDict) -> tuple[int, ...]:
    """Residual units of layer1 to layer4 in a torchvision ResNet, for example (3, 4, 23, 3)."""
    matches = [re.match(r"layer(\d)\.(\d+)\.conv1\.weight", key) for key in state]
    pairs = [(int(m[1]), int(m[2])) for m in matches if m]
    return tuple(1 + max(unit for at, unit in pairs if at == layer) for layer in sorted({p[0] for p in pairs}))


def _check_resnet(model: Model, state: StateDict, source: str) -> None:
    """Refuse another kind of ResNet, another stem, another depth."""
    if other := foreign.resnet_kind(state):
        raise InputError(
            f"{source}: {other}. The papers' is plain: give torchvision's or timm's resnet50 or resnet101."
        )
    stem = stem_of(state)
    sides = [tuple(state[f"{conv}.weight"].shape[2:]) for conv, _ in stem]
    if sides not in ([(7, 7)], [(3, 3)] * 3):
        described = " and ".join(f"{side[0]}x{side[1]}" for side in sides if len(side) == 2) or "not to be recognised"
        raise InputError(f"{source}: this ResNet's stem is {described}, neither one 7x7 convolution nor three 3x3.")
    if model.stem == "beta" and len(stem) == 1:
        raise InputError(
            f"{source}: this ResNet's stem is one 7x7 convolution, the network's is three 3x3 (model.stem=beta, the "
            f"paper's). timm's resnet{sum(model.units) * 3 + 2}s has that stem (--weights hub fetches it); to use "
            "torchvision's weights, set model.stem=conv7 and model.stride_at=first_unit."
        )
    if model.stem == "conv7" and len(stem) > 1:
        raise InputError(f"{source}: this ResNet's stem is three 3x3 convolutions. Set model.stem=beta.")
    widths = [int(state[f"{conv}.weight"].shape[0]) for conv, _ in stem]
    own = [model.stem_width, model.stem_width, 2 * model.stem_width][-len(stem) :] if len(stem) > 1 else []
    if own and widths != own and widths == [widths[0], widths[0], 2 * widths[0]]:
        raise InputError(
            f"{source}: this ResNet's stem has {', '.join(map(str, widths))} filters, the network's "
            f"{', '.join(map(str, own))}, the papers'. --set model.stem_width={widths[0]} takes it, as a departure."
        )
    if (units := resnet_units(state)) != model.units:
        raise InputError(
            f"{source}: a ResNet with {units} units in its blocks; model.units is {model.units}. Use weights of the "
            "same depth: resnet50 has (3, 4, 6, 3), resnet101 has (3, 4, 23, 3)."
        )
