"""Random scale, crop and flip, for a whole batch at once, on the device that holds the images.

Paper v3, section 4.1; released code: scale, pad at bottom and right (image: the value that normalises to 0; label:
255), random crop, flip. Scaling is bilinear with aligned corners, labels nearest; the three steps are one resampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from repro.randomness import generator
from repro.spec.protocol import VOID as VOID


@dataclass(frozen=True)
class AugmentationDraw:
    """What was drawn for a batch of B samples; arrays of shape (B,) or (B, 2)."""

    index: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    """Height and width of the image after scaling."""
    corner: npt.NDArray[np.int64]
    """Top and left of the crop in the scaled, padded image."""
    flip: npt.NDArray[np.bool_]

    def packed(self) -> npt.NDArray[np.int64]:
        """(B, 6): index, height, width, top, left, flip; one array, to reach a GPU in one copy."""
        return np.concatenate((self.index[:, None], self.size, self.corner, self.flip[:, None]), axis=1)


def sample_indices(seed: int, images: int, batch_size: int, step: int) -> npt.NDArray[np.int64]:
    """(B,) image indices of a step: epochs are permutations drawn from (seed, epoch), laid end to end."""
    at = np.arange(step * batch_size, (step + 1) * batch_size)
    return np.array([_epoch(seed, int(k // images), images)[k % images] for k in at], dtype=np.int64)


@lru_cache(maxsize=4)
def _epoch(seed: int, epoch: int, images: int) -> npt.NDArray[np.int64]:
    """The order of an epoch; kept, as steps of an epoch follow each other."""
    return generator(seed, "order", epoch).permutation(images)


def draw(
    seed: int,
    step: int,
    sizes: npt.NDArray[np.int32],
    *,
    batch_size: int,
    crop: int,
    scales: tuple[float, ...],
    scale_per: str = "image",
    flip: bool = True,
    squash: tuple[int, int] | None = None,
) -> AugmentationDraw:
    """Draw a step's batch; `sizes` (N, 2) are the images' true heights and widths.

    With `squash` each image is taken for one of that height and width, whatever its own shape.
    """
    index = sample_indices(seed, len(sizes), batch_size, step)
    rng = generator(seed, "augment", step)
    picks = rng.integers(len(scales), size=1 if scale_per == "batch" else batch_size)
    scale = np.broadcast_to(np.asarray(scales, dtype=np.float64)[picks], (batch_size,))
    own = sizes[index] if squash is None else np.broadcast_to(np.array(squash), (batch_size, 2))
    size = np.maximum(1, np.floor(own * scale[:, None] + 1e-9).astype(np.int64))
    room = np.maximum(size, crop) - crop
    corner = np.floor(rng.uniform(size=(batch_size, 2)) * (room + 1)).astype(np.int64)
    flips = rng.uniform(size=batch_size) < 0.5
    return AugmentationDraw(index, size, corner, flips if flip else np.zeros(batch_size, dtype=np.bool_))


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1]; 127.5 becomes 0 (released code, `*_beta` networks)."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def apply(
    pixels: Tensor, labels: Tensor, sizes: Tensor, drawn: AugmentationDraw, crop: int, *, label_padding: int = VOID
) -> tuple[Tensor, Tensor]:
    """Resample a batch.

    pixels (N, H, W, 3) uint8, labels (N, H, W) uint8, sizes (N, 2) -> images (B, 3, crop, crop) float32 with padding 0,
    labels (B, crop, crop) int64 with padding 255 by default.
    """
    packed = torch.from_numpy(drawn.packed()).to(pixels.device)
    return sample(pixels, labels, sizes, packed, crop, label_padding=label_padding)


def sample(
    pixels: Tensor, labels: Tensor, sizes: Tensor, packed: Tensor, crop: int, *, label_padding: int = VOID
) -> tuple[Tensor, Tensor]:
    """`apply` with a packed draw (B, 6) int64 on the device; nothing here waits for the device or copies to it."""
    device = pixels.device
    index, scaled, corner, mirrored = packed[:, 0], packed[:, 1:3], packed[:, 3:5], packed[:, 5].bool()
    true = sizes[index]
    steps = torch.arange(crop, device=device)
    across = torch.where(mirrored[:, None], crop - 1 - steps, steps)
    row = corner[:, :1] + steps
    column = corner[:, 1:] + across
    source, inside = [], []
    for at, axis in ((row, 0), (column, 1)):
        # position in the stored image, corners aligned; float64 so that exact hits stay exact
        ratio = (true[:, axis].double() - 1) / (scaled[:, axis].double() - 1).clamp(min=1)
        source.append(torch.minimum(at * ratio[:, None], true[:, axis : axis + 1].double() - 1))
        inside.append(at < scaled[:, axis : axis + 1])
    valid = inside[0][:, :, None] & inside[1][:, None, :]
    height, width = pixels.shape[1:3]
    x = (source[1] * (2.0 / max(width - 1, 1)) - 1).float()[:, None, :].expand(-1, crop, -1)
    y = (source[0] * (2.0 / max(height - 1, 1)) - 1).float()[:, :, None].expand(-1, -1, crop)
    grid = torch.stack([x, y], dim=-1)
    images = functional.grid_sample(
        normalise(pixels[index]), grid, mode="bilinear", padding_mode="border", align_corners=True
    )
    images.mul_(valid[:, None])
    nearest = [(at + 0.5).floor().long().clamp(min=0) for at in source]
    pixel = (nearest[0] * labels.shape[2])[:, :, None] + nearest[1][:, None, :]
    chosen = labels[index].flatten(1).gather(1, pixel.flatten(1)).view(-1, crop, crop).long()
    return images, chosen.masked_fill_(~valid, label_padding)
