"""Top-1 and top-5 error of the ImageNet weights that segmentation starts from (paper v3+, Table 4).

The network is ours, at output stride 32, with the file's own last layer on the mean over its map. Images are seen as
the weights' makers measured them: the shorter side resized, the centre cut; one crop, one model, as in the paper, whose
own sizes are 299 pixels for Xception and not stated for ResNet-101.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from repro.data.augment import normalise
from repro.data.decode import read_photo
from repro.data.imagenet import Labelled
from repro.data.transfer import onto
from repro.errors import InputError
from repro.nets.backbone import Backbone
from repro.nets.precision import autocast
from repro.nets.registry import build_backbone
from repro.nets.weights import load_backbone
from repro.spec.parts import EvaluationTransform, backbone_facts, names
from repro.spec.protocol import Model

LAST_LAYERS = ("fc", "head.fc")
"""Names of the last layer in torchvision's and in timm's files."""
INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
BATCH = 32
TOP = 5


def transform_of(backbone: str) -> EvaluationTransform:
    """How the makers of a backbone's weights saw images. Raises InputError where that is not known."""
    known = [name for name in names("backbone") if backbone_facts(name).transform]
    transform = backbone_facts(backbone).transform if backbone in known else None
    if transform is None:
        raise InputError(f"--backbone {backbone}: there are {', '.join(known)} to measure.")
    return transform


@dataclass(frozen=True)
class Errors:
    """Shares of images, in [0, 1], whose class is not the first guess, or not among the first five."""

    top1: float
    top5: float
    images: int


class Classifier(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> logits (N, classes)."""

    def __init__(self, backbone: Backbone, last: nn.Linear) -> None:
        super().__init__()
        self.backbone = backbone
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.backbone(x).high.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def classifier(backbone: str, state: Mapping[str, Tensor], source: str) -> Classifier:
    """The classifier that a file of weights holds; `source` is what messages call it. InputError if it does not fit."""
    transform_of(backbone)
    name = next((name for name in LAST_LAYERS if f"{name}.weight" in state), None)
    if name is None or f"{name}.bias" not in state:
        raise InputError(
            f"{source}: its last layer is not there ({' or '.join(LAST_LAYERS)}). Give a classifier's file."
        )
    with torch.device("meta"):
        settings = build_backbone(Model(backbone=backbone), 32).as_trained(state)
    network = build_backbone(Model.model_validate({"backbone": backbone, **settings}), 32)
    load_backbone(network, state, source)
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    last = nn.Linear(weight.shape[1], weight.shape[0])
    last.load_state_dict({"weight": weight, "bias": bias})
    return Classifier(network, last).eval()


def seen(pixels: npt.NDArray[np.uint8], transform: EvaluationTransform) -> npt.NDArray[np.uint8]:
    """(H, W, 3) -> (crop, crop, 3): the shorter side resized, the centre cut."""
    height, width = pixels.shape[:2]
    size = [int(transform.shorter * side / min(height, width)) for side in (width, height)]
    image = Image.fromarray(pixels).resize((size[0], size[1]), INTERPOLATIONS[transform.interpolation])
    left, top = (round((side - transform.crop) / 2.0) for side in size)
    return np.array(image.crop((left, top, left + transform.crop, top + transform.crop)))


def measure_errors(
    network: Classifier,
    images: Sequence[Labelled],
    transform: EvaluationTransform,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Errors:
    """Classify `images` and count what is wrong. InputError for a damaged file or a class that the weights lack."""
    classes = network.last.out_features
    if images and (highest := max(image.index for image in images)) >= classes:
        raise InputError(f"the weights know {classes} classes, but an image has class {highest}: not ImageNet-1K's.")
    network.to(device)
    wrong = np.zeros(2, dtype=np.int64)
    for first, batch, pixels in _batches(images, transform):
        with torch.inference_mode(), autocast(device, "float32"):
            best = network(normalise(onto(pixels, device))).topk(TOP).indices.cpu()
        right = best == torch.tensor([image.index for image in batch])[:, None]
        wrong += [int((~right[:, 0]).sum()), int((~right.any(1)).sum())]
        progress(first + len(batch), len(images))
    count = max(len(images), 1)
    return Errors(float(wrong[0]) / count, float(wrong[1]) / count, len(images))


def _batches(
    images: Sequence[Labelled], transform: EvaluationTransform
) -> Iterator[tuple[int, Sequence[Labelled], npt.NDArray[np.uint8]]]:
    with ThreadPoolExecutor() as threads:
        for first in range(0, len(images), BATCH):
            batch = images[first : first + BATCH]
            yield first, batch, np.stack([*threads.map(lambda image: seen(read_photo(image.image), transform), batch)])
