"""The pre-training at small scales: which classes are present in the image?

It stands in for ImageNet classification (global pooling, then a linear classifier) and leaves a backbone of block1 to
block4 from which segmentation trainings start.
"""

from __future__ import annotations

from torch import Tensor, nn

from repro.nets.backbone import Backbone
from repro.nets.layers import global_mean
from repro.nets.registry import build_backbone
from repro.spec.protocol import Model


class PresenceNet(nn.Module):
    """(N, 3, H, W) float32 -> (N, classes) logits of "the class has a pixel in this image".

    `model` describes the backbone alone: block1 to block4 at unit rates, VGG-16 without fc6 and fc7.
    """

    def __init__(self, model: Model, classes: int, output_stride: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.backbone = build_backbone(model, output_stride, seed)
        self.classifier = nn.Linear(self.backbone.channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(global_mean(self.backbone(x).high).flatten(1))  # type: ignore[no-any-return]


def start_from(backbone: Backbone, pretrained: dict[str, Tensor]) -> None:
    """Load a presence network's backbone into `backbone`; blocks 5 to 7 become copies of block4.

    fc6 and fc7 of VGG-16 keep their random start: the presence network has none.
    """
    own = {k.removeprefix("backbone."): v for k, v in pretrained.items() if k.startswith("backbone.")}
    missing, unexpected = backbone.load_state_dict(own, strict=False)
    wrong = [k for k in missing if not k.startswith(backbone.starts_elsewhere)]
    if wrong or unexpected:
        mismatch = f"missing {wrong[:3]}, unexpected {unexpected[:3]}"
        raise ValueError(f"the first training does not fit this backbone: {mismatch}")
    backbone.complete()
