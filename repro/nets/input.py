"""Known mistakes in the values that a network is given.

Images reach every network in [-1, 1]; one whose weights want ImageNet's mean and deviation turns them into these
itself (`ImageNetInput`). A mistake is therefore made by handing it what it turns into the wrong values.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from repro.nets.layers import IMAGENET_MEAN, ImageNetInput
from repro.spec.protocol import WrongInput


def mistaken(x: Tensor, mistake: WrongInput, own: ImageNetInput | None) -> Tensor:
    """(N, 3, H, W) in [-1, 1] -> what makes a network with the input layer `own` see wrong values.

    bgr: red and blue exchanged. other_range: ImageNet's mean and deviation in a network of [-1, 1], or [-1, 1] in one
    that wants the former. bytes: 0 to 255 less the mean, what Caffe's weights want.
    """
    if mistake == "bgr":
        return x.flip(1)
    if mistake == "bytes":
        return _seen_as((x + 1) * 127.5 - 255 * _mean(x.dtype, x.device), own)
    return _imagenet(x.device)(x) if own is None else _seen_as(x, own)


@lru_cache(maxsize=4)
def _mean(dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 1, 1); kept, as copying it makes a GPU wait."""
    return torch.tensor(IMAGENET_MEAN, dtype=dtype, device=device)[:, None, None]


@lru_cache(maxsize=4)
def _imagenet(device: torch.device) -> ImageNetInput:
    return ImageNetInput().to(device)


def _seen_as(values: Tensor, own: ImageNetInput | None) -> Tensor:
    """What `own` turns into `values`."""
    return values if own is None else (values - own.offset) / own.scale
