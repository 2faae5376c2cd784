"""The network's settings in the protocol: what `model` may hold, and what would do nothing there.

What backbones and heads there are, and what each of them heeds, is declared with them (`repro.spec.parts`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from repro.errors import InputError
from repro.spec import parts
from repro.spec.ranges import Channels, Kernel, Rate, Units
from repro.spec.strict import StrictModel

StrideAt = Literal["last_unit", "first_unit", "first_conv"]
WrongInput = Literal["bgr", "other_range", "bytes"]
"""Known mistakes of preprocessing: red and blue exchanged; [-1, 1] where ImageNet's mean and deviation were meant, or
these where [-1, 1] was; bytes less the mean, as Caffe's weights want them."""

OWN = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"
"""Something of the user's: "module:name"."""
PartName = Annotated[str, Field(max_length=200)]
SWITCHES = (
    "atrous_rates",
    "image_pooling",
    "separable",
    "depthwise_batch_norm",
    "decoder",
    "last_block",
    "multi_grid",
    "vgg_batch_norm",
    "dropout",
)
"""Settings that are off unless given: a network that has no use for one refuses it."""


class Model(StrictModel):
    """The network."""

    implementation: Annotated[str, Field(pattern=f"^{OWN}$", max_length=200)] | None = None
    """A function of one's own that builds the network instead, "module:function" (docs/extending.md). It is given those
    of the settings below that it has parameters for."""
    backbone: PartName = "resnet101"
    """A registered one, or "module:name" of one's own (docs/extending.md)."""
    head: PartName = "cascade"
    """cascade: 1x1 classifier on the last block (v3); aspp: v3's parallel branches; fc: v2's fc6-fc7-fc8
    on VGG-16, one branch per atrous rate; sum_aspp: v2's summed 3x3 classifiers on ResNet-101; or "module:name"."""
    units: tuple[Units, Units, Units, Units] = (3, 4, 23, 3)
    """Residual units of block1..block4; set by the backbone unless given. VGG-16: convolutions of blocks 1 to 4
    (block 5 as block 4). Xception: modules of the three entry stages and of the middle flow."""
    width: Channels = 64
    """Inner channels of block1; block k has 2**(k-1) times as many, and 4 times that outside. VGG-16: channels of block
    1. Xception: 64 is the paper's width, every filter count scales with it."""
    stem: Literal["beta", "conv7"] = "beta"
    stem_width: Channels = 64
    """Channels before block1 (beta: the last of three 3x3 convolutions has twice as many; Xception: the first of two
    has half as many). VGG-16 has no stem."""
    stride_at: StrideAt = "last_unit"
    """ResNet, where a block's stride sits: v3's last unit's 3x3, torchvision's first unit's 3x3, or the first unit's
    first 1x1 of the original weights (v2's, where also the atrous rate holds from a block's first unit on)."""
    last_block: Annotated[int, Field(ge=4, le=7)] = 4
    multi_grid: tuple[Rate, Rate, Rate] = (1, 1, 1)
    residual_gamma: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Initial scale of a unit's last batch normalisation (only where weights are not loaded)."""
    batch_norm_eps: Annotated[float, Field(gt=0, le=1)] = 1e-5
    """The backbone's; 1e-3 for Xception unless given. Heads have 1e-5."""
    vgg_batch_norm: bool = False
    """VGG-16: batch normalisation before each ReLU (a departure: without ImageNet weights it learns little)."""
    atrous_rates: Annotated[tuple[Rate, ...], Field(max_length=32)] = ()
    """Rates of the head's branches. Head aspp: at output_stride 16, doubled at 8, halved at 32. Heads fc and sum_aspp:
    at output_stride 8, the only one v2 uses."""
    image_pooling: bool = False
    head_channels: Channels = 256
    fc_kernel: Kernel = 3
    """v2, VGG-16: kernel of fc6."""
    fc_channels: Channels = 1024
    """v2, VGG-16: filters of fc6 and fc7."""
    multi_scale: bool = False
    """v2 'MSC': three input scales through shared weights, fused by maximum."""
    decoder: Annotated[tuple[Literal["conv2", "conv3"], ...], Field(max_length=2)] = ()
    """v3+ decoder: the low-level features it joins; empty means no decoder."""
    decoder_low_level_channels: Channels = 48
    decoder_convs: Annotated[int, Field(ge=1, le=32)] = 2
    decoder_kernel: Literal[1, 3] = 3
    decoder_channels: Channels = 256
    separable: bool = False
    """v3+ 'SC': depthwise separable 3x3 convolutions in ASPP and decoder."""
    depthwise_batch_norm: bool = True
    """Batch normalisation and ReLU after the depthwise part of `separable`'s convolutions too (v3+, section 3); false,
    after the pointwise part alone, is a known mistake."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    input: Literal["right"] | WrongInput = "right"
    """The values that images reach the network in: right is what its initial weights were made with; the others are
    known mistakes, made in training and test alike, but not by the pre-training of small scales, whose weights stand
    in for ImageNet's."""

    @field_validator("backbone", "head")
    @classmethod
    def _registered(cls, name: str, info: ValidationInfo) -> str:
        known = parts.names("backbone" if info.field_name == "backbone" else "head")
        if name in known or re.fullmatch(OWN, name):  # whether there is such a module is told where a cell is resolved
            return name
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, known))})

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_backbone(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        try:
            facts = parts.backbone_facts(str(values.get("backbone", "resnet101")))
        except InputError:
            return values
        usual = {"units": facts.units, "batch_norm_eps": facts.batch_norm_eps}
        return {**{key: value for key, value in usual.items() if value is not None}, **values}

    @property
    def normed(self) -> bool:
        """Whether the network has batch normalisation; of an own one it is assumed."""
        if self.implementation is not None or parts.head_facts(self.head).batch_norm:
            return True
        batch_norm = parts.backbone_facts(self.backbone).batch_norm
        return bool(getattr(self, batch_norm)) if isinstance(batch_norm, str) else batch_norm

    @property
    def own(self) -> tuple[str, str] | None:
        """The setting that names something of the user's, and its name; None where the network is the suite's.

        Of both parts: "model.backbone and model.head", "mynets:small with mynets:gated".
        """
        names = {"implementation": self.implementation or "", "backbone": self.backbone, "head": self.head}
        own = {f"model.{key}": name for key, name in names.items() if ":" in name}
        return (" and ".join(own), " with ".join(own.values())) if own else None

    def contradiction(self) -> str | None:
        """What is wrong with these settings together: one that this network would ignore, a head without what it needs.

        Not a validator, for a paper's or a table's settings need not make a whole network before a cell's join them.
        """
        backbone, head = parts.part("backbone", self.backbone), parts.part("head", self.head)
        taps, facts = parts.backbone_facts(self.backbone).taps, parts.head_facts(self.head)
        nothing = f"with {self.backbone} and head {self.head!r} it would do nothing. Leave it out."
        if facts.backbones and self.backbone not in facts.backbones:
            return f"head {self.head!r} needs backbone {' or '.join(facts.backbones)}; {self.backbone} is another."
        for name in SWITCHES:
            heeded = head.takes(name) or (backbone.takes(name) and name != "decoder")
            if getattr(self, name) != type(self).model_fields[name].default and not heeded:
                return f"{name} needs {parts.takers(name)}; {nothing}"
        if not (self.separable or self.depthwise_batch_norm):
            return (
                "depthwise_batch_norm needs separable; without it there is no depthwise part, and it would do nothing. "
                "Leave it out."
            )
        if lacking := [level for level in self.decoder if level not in taps]:
            return f"decoder needs a backbone that hands on {lacking[0]}; {nothing}"
        for name in facts.needs:
            if not getattr(self, name):
                return f"head {self.head!r} has one branch for each of {name}: give at least one, as [12]."
        if len(set(self.decoder)) < len(self.decoder):
            return f"decoder joins a level once; {list(self.decoder)} names one twice."
        return None
