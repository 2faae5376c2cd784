"""Which numbers a network computes with: bfloat16 where the device multiplies it fast, else float32."""

from __future__ import annotations

from functools import cache

import torch

from repro.spec.protocol import Precision


def autocast(device: torch.device, wish: Precision) -> torch.autocast:
    """A context in which convolutions and products run in the precision of `precision`; parameters stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision(device, wish) == "bfloat16")


def precision(device: torch.device, wish: Precision) -> Precision:
    """ "float32" or "bfloat16" (autocast): what `wish` means on a device."""
    if wish != "auto":
        return wish
    return "bfloat16" if _fast(device.type) else "float32"


@cache
def _fast(kind: str) -> bool:
    """Whether devices of that kind here have instructions for bfloat16: emulated it is slower than float32."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
