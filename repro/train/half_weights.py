"""Weights of convolutions and products in bfloat16, all cast at once for a step.

Autocast makes them one by one, and turns their gradients back one by one: in ResNet-101 more than two hundred launches
of a few microseconds each. The numbers are the same to the last bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class HalfWeights:
    """Calls `module` with what learns of its convolutions and linear layers in bfloat16; gradients reach its float32.

    To be called where autocast is on, which then finds nothing to do for them.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._wide = {
            f"{name}.{key}": parameter
            for name, part in module.named_modules()
            if isinstance(part, nn.Conv2d | nn.Linear)
            for key, parameter in part.named_parameters(recurse=False)
            if parameter.requires_grad
        }

    def __call__(self, x: Tensor) -> Any:
        """What `module(x)` returns."""
        halves = _AllAtOnce.apply(*self._wide.values())  # type: ignore[no-untyped-call]
        return functional_call(self._module, dict(zip(self._wide, halves, strict=True)), (x,))


class _AllAtOnce(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, *wide: Tensor) -> tuple[Tensor, ...]:
        return tuple(_as(torch.bfloat16, wide))

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(_as(torch.float32, gradients))


def _as(dtype: torch.dtype, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    others = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    torch._foreach_copy_(others, list(tensors))
    return others
