"""A DeepLab network: a backbone at some output stride, a head, logits.

Parameter names are the same for every output stride, so that weights trained at one load at another (paper v3,
sections 4.1 and 4.2: trained at 16, evaluated at 8), and the same with and without v2's multi-scale inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from repro.nets.aspp import ImagePooling
from repro.nets.backbone import Backbone
from repro.nets.decoder import Join
from repro.nets.input import mistaken
from repro.nets.registry import build_backbone, build_head
from repro.nets.resize import resize_maps, scaled_side
from repro.spec.protocol import Model, WrongInput

MSC_SCALES = (1.0, 0.75, 0.5)
"""v2, section 4.1.2 ("MSC"): 321, 241 and 161 pixels in training."""


class DeepLab(nn.Module):
    """(N, 3, H, W) float32 -> logits (N, classes, h, w) at the network's own resolution.

    With several `input_scales` the scores of all scales are resized to the first one's grid and fused by their maximum
    (v2, in training and at test).
    """

    align_corners = True

    def __init__(
        self,
        backbone: Backbone,
        head: nn.Module,
        input_scales: tuple[float, ...],
        wrong_input: WrongInput | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.input_scales = input_scales
        self.wrong_input = wrong_input

    def forward(self, x: Tensor) -> Tensor:
        return self.training_logits(x)[0]

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """The logits on which the loss acts, in equal parts; the first are those of `forward`.

        One input scale: the logits. Several (released v2 code): fused; scale 1; every other scale, those above one half
        resized to the grid of scale 1 as they are for fusion, the half scale on its own grid.
        """
        if self.wrong_input is not None:
            x = mistaken(x, self.wrong_input, self.backbone.normalise)
        scores: list[Tensor] = []
        resized: list[Tensor] = []
        for scale in self.input_scales:
            size = (scaled_side(x.shape[2], scale), scaled_side(x.shape[3], scale))
            own = self.head(self.backbone(resize_maps(x, size, align_corners=self.align_corners)))
            grid = (scores[0].shape[2], scores[0].shape[3]) if scores else (own.shape[2], own.shape[3])
            onto = resize_maps(own, grid, align_corners=self.align_corners)
            scores.append(onto if scale > 0.5 else own)
            resized.append(onto)
        if len(scores) == 1:
            return (scores[0],)
        return (torch.stack(resized).amax(dim=0), *scores)


def build(model: Model, classes: int, output_stride: int, seed: int = 0) -> DeepLab:
    """Build the suite's network that `model` describes; weights are drawn or loaded by the caller.

    `seed` is for what parts of the user's draw beside the weights of convolutions and linear layers.
    """
    if model.implementation is not None:
        raise ValueError(f"{model.implementation} is built by repro.nets.build")
    backbone = build_backbone(model, output_stride, seed)
    head = build_head(model, backbone, classes, output_stride, seed)
    wrong_input = None if model.input == "right" else model.input
    return DeepLab(backbone, head, MSC_SCALES if model.multi_scale else (1.0,), wrong_input)


def set_resizing(network: nn.Module, *, align_corners: bool, pooling_share: tuple[float, float] | None = None) -> None:
    """How a network resizes its features from now on, and over which share of the map its image pooling goes."""
    for module in network.modules():
        if isinstance(module, DeepLab | Join | ImagePooling):
            module.align_corners = align_corners
        if isinstance(module, ImagePooling):
            module.share = pooling_share
