"""Modified Aligned Xception, 65 and 71 layers deep, as DeepLab v3+ uses it.

Encoder-Decoder with Atrous Separable Convolution (arXiv 1802.02611), section 3.2 and figure 4; released TensorFlow code
(`deeplab/core/xception.py`). `width` 64 is the papers' width; the filters named below scale with it.

1. Stem: 3x3 stride 2 with 32 filters, 3x3 with 64.
2. A module has three separable 3x3 convolutions, its stride in the third, and a 1x1 shortcut (identity where stride and
   depth do not change).
3. Entry flow: stages of 128, 256 and 728 filters, the last module of each with stride 2; 71 has one more module without
   stride in the second and third stage. Middle flow: 16 modules of 728. Exit flow: a strided module (728, 1024, 1024),
   then (1536, 1536, 2048) without a shortcut. `units` = modules of the three entry stages and of the middle flow.
4. ReLU comes before each separable convolution, none inside; in the last module after the depthwise and the pointwise
   part instead. Batch normalisation (eps 1e-3) after every convolution.
5. Once the output stride is reached a stride becomes 1 and the rate doubles after that module. `multi_grid` gives the
   rates of the last module's three convolutions (released code; the paper uses none).
6. A decoder taps the second pointwise convolution of a stage's strided module, before the ReLU: stage 2 for Conv2
   (stride 4), stage 3 for Conv3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from repro.nets.backbone import Backbone, StateDict, renamed
from repro.nets.layers import Add, ConvBN, Features, SeparableConvBN
from repro.nets.registry import register_backbone
from repro.spec.protocol import Model

STEM_STRIDE = 2
TAPPED_STAGE = {"conv2": 2, "conv3": 3}
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


@dataclass(frozen=True)
class ModulePlan:
    """One module: filters of its three convolutions, stride of the third, atrous rates."""

    filters: tuple[int, int, int]
    stride: int
    rates: tuple[int, int, int]
    stage: int
    """1 to 3 entry flow, 4 middle flow, 5 and 6 exit flow."""
    projected: bool = False
    """The shortcut is a 1x1 convolution: also where the module gave up its stride and keeps its depth (71 at 8)."""
    last: bool = False
    """The final module: no shortcut, ReLU inside the separable convolutions."""


def plan_modules(model: Model, output_stride: int) -> list[ModulePlan]:
    """Lay out filters, strides and rates of every module (paper v3+, figure 4).

    Raises ValueError where the network's strides cannot make `output_stride`.
    """

    def scaled(filters: int) -> int:
        return max(1, round(filters * model.width / 64))

    stages: list[tuple[int, tuple[int, int, int], int, bool]] = []
    for stage, (depth, modules) in enumerate(zip((128, 256, 728), model.units[:3], strict=True), start=1):
        stages += [(stage, (depth, depth, depth), modules, True)]
    stages += [(4, (728, 728, 728), model.units[3], False), (5, (728, 1024, 1024), 1, True)]
    current, rate, plans = STEM_STRIDE, 1, []
    for stage, (a, b, c), modules, strided in stages:
        for i in range(modules):
            stride, next_rate = 1, rate
            if strided and i == modules - 1:
                if current < output_stride:
                    stride, current = 2, current * 2
                else:
                    next_rate = rate * 2
            projected = strided and i == modules - 1
            filters = (scaled(a), scaled(b), scaled(c))
            plans.append(ModulePlan(filters, stride, (rate, rate, rate), stage, projected))
            rate = next_rate
    grid = (rate * model.multi_grid[0], rate * model.multi_grid[1], rate * model.multi_grid[2])
    plans.append(ModulePlan((scaled(1536), scaled(1536), scaled(2048)), 1, grid, 6, last=True))
    if current != output_stride:
        raise ValueError(f"output_stride {output_stride} is out of reach: Xception's own is {current}")
    return plans


class Module(nn.Module):
    """Three separable convolutions and a shortcut."""

    def __init__(self, c_in: int, plan: ModulePlan, eps: float, gamma: float) -> None:
        super().__init__()
        self.relu_first = not plan.last
        convs: list[SeparableConvBN] = []
        channels = c_in
        for i, (filters, rate) in enumerate(zip(plan.filters, plan.rates, strict=True)):
            stride = plan.stride if i == 2 else 1
            convs.append(SeparableConvBN(channels, filters, stride=stride, rate=rate, eps=eps, relu=plan.last))
            channels = filters
        self.convs = nn.ModuleList(convs)
        self.add = None if plan.last else Add()
        if not plan.last:
            nn.init.constant_(convs[-1].pointwise.norm.weight, gamma)
        projected = plan.projected or (channels != c_in and not plan.last)
        self.shortcut = ConvBN(c_in, channels, 1, stride=plan.stride, eps=eps, relu=False) if projected else None

    def forward(self, x: Tensor) -> Tensor:
        return self.tapped(x)[0]

    def tapped(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the module's output, its second pointwise convolution's."""
        branch = tap = x
        for i, conv in enumerate(self.convs):
            branch = conv(functional.relu(branch) if self.relu_first else branch)
            tap = branch if i == 1 else tap
        if self.add is None:
            return branch, tap
        return self.add(x if self.shortcut is None else self.shortcut(x), branch), tap


@register_backbone(
    "xception65",
    units=(1, 1, 1, 16),
    batch_norm_eps=1e-3,
    taps=("conv2", "conv3"),
    settings=("units", "width", "stem_width", "multi_grid", "residual_gamma", "batch_norm_eps", "decoder"),
    takes_weights_of="timm's xception65 or xception71",
    weights=(
        {
            "name": "xception65",
            "url": "https://huggingface.co/timm/xception65.tf_in1k/resolve/main/model.safetensors",
            "file": "xception65.tf_in1k.safetensors",
        },
    ),
    transform=(331, 299, "bicubic"),
)
@register_backbone(
    "xception71",
    units=(1, 2, 2, 16),
    batch_norm_eps=1e-3,
    taps=("conv2", "conv3"),
    settings=("units", "width", "stem_width", "multi_grid", "residual_gamma", "batch_norm_eps", "decoder"),
    takes_weights_of="timm's xception65 or xception71",
    weights=(
        {
            "name": "xception71",
            "url": "https://huggingface.co/timm/xception71.tf_in1k/resolve/main/model.safetensors",
            "file": "xception71.tf_in1k.safetensors",
        },
    ),
    transform=(331, 299, "bicubic"),
)
class Xception(Backbone):
    """Backbone; parameter names do not depend on the output stride.

    `forward`: (N, 3, H, W) float32 -> Features(low: what `model.decoder` names, high at `output_stride`).
    """

    def __init__(self, model: Model, output_stride: int) -> None:
        super().__init__()
        eps, stem = model.batch_norm_eps, model.stem_width
        self.stem = nn.Sequential(
            ConvBN(3, max(1, stem // 2), 3, stride=2, eps=eps), ConvBN(max(1, stem // 2), stem, 3, eps=eps)
        )
        plans = plan_modules(model, output_stride)
        channels = stem
        self.blocks = nn.ModuleList()
        for plan in plans:
            module = Module(channels, plan, eps, model.residual_gamma)
            self.blocks.append(module)
            channels = plan.filters[2]
        self.model, self.channels, self.output_stride = model, channels, output_stride
        self._taps: dict[int, str] = {}
        self.low_channels: dict[str, int] = {}
        for level in model.decoder:
            at = max(i for i, plan in enumerate(plans) if plan.stage == TAPPED_STAGE[level])
            self._taps[at] = level
            self.low_channels[level] = plans[at].filters[1]

    def forward(self, x: Tensor) -> Features:
        x = self.stem(x)
        low: dict[str, Tensor] = {}
        for i, module in enumerate(cast(Iterator[Module], self.blocks.children())):
            x, tap = module.tapped(x)
            if i in self._taps:
                low[self._taps[i]] = tap
        return Features(low, x)

    def recognises(self, state: StateDict) -> bool:
        return "blocks.0.stack.conv1.conv_dw.weight" in state

    def converted(self, state: StateDict, source: str, seed: int) -> dict[str, Tensor]:  # noqa: ARG002
        return from_xception(state)


def from_xception(state: StateDict) -> dict[str, Tensor]:
    """timm's Xception -> names of `repro.nets.xception.Xception`."""
    return renamed(state, XCEPTION_RULES, dropped=("head.",))
