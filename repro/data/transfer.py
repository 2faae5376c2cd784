"""Copies between the host and a device: pinned, so that neither waits for the other but where a result is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def onto(source: Tensor | npt.NDArray[Any], device: torch.device) -> Tensor:
    """A tensor of the host on a device; a GPU makes the copy when it comes to it."""
    tensor = source if isinstance(source, Tensor) else torch.from_numpy(np.ascontiguousarray(source))
    if device.type != "cuda":
        return tensor.to(device)
    pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def to_host(tensors: Sequence[Tensor]) -> list[npt.NDArray[Any]]:
    """Tensors of one device as arrays; a GPU is waited for once, for all of them."""
    if not tensors or not tensors[0].is_cuda:
        return [tensor.numpy() for tensor in tensors]
    copies = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True).copy_(t, non_blocking=True) for t in tensors]
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return [copy.numpy() for copy in copies]
