"""The first training at small scales: which classes are present in the image?

It stands in for ImageNet classification (global pooling, then a linear classifier) and leaves a backbone of block1 to
block4 from which segmentation trainings start.
"""

from __future__ import annotations

from torch import Tensor, nn

from repro.nets.resnet import ResNet
from repro.spec.protocol import Model


class PresenceNet(nn.Module):
    """(N, 3, H, W) float32 -> (N, classes) logits of "the class has a pixel in this image"."""

    def __init__(self, model: Model, classes: int, output_stride: int = 32) -> None:
        super().__init__()
        plain = model.model_copy(update={"last_block": 4, "multi_grid": (1, 1, 1)})
        self.backbone = ResNet(plain, output_stride)
        self.classifier = nn.Linear(self.backbone.channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.backbone(x).high.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def start_from(backbone: nn.Module, presence: dict[str, Tensor]) -> None:
    """Load a presence network's backbone into `backbone`; blocks 5 to 7 become copies of block4."""
    own = {k.removeprefix("backbone."): v for k, v in presence.items() if k.startswith("backbone.")}
    missing, unexpected = backbone.load_state_dict(own, strict=False)
    wrong = [k for k in missing if not k.startswith(("blocks.block5", "blocks.block6", "blocks.block7"))]
    if wrong or unexpected:
        raise ValueError(f"the first training does not fit this backbone: missing {wrong[:3]}, unexpected {unexpected[:3]}")
    if isinstance(backbone, ResNet):
        backbone.copy_block4()
