"""Initial weights that depend on (seed, parameter name) alone.

Each module draws from a generator of its own, so two networks that share a module start it alike whatever else they
contain: rows of a table are paired as far as their structures allow.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import nn


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for (seed, purpose), independent of the order of calls."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@torch.no_grad()
def initialise(network: nn.Module, seed: int, classifier: str = "classifier") -> None:
    """He initialisation (fan in) for convolutions; N(0, 0.01) and zero bias for layers named `classifier`.

    Batch normalisation keeps the scale that its module chose. Gaussian 0.01 for the logits: the released code.
    """
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        fan_in = module.weight[0].numel()
        std = 0.01 if classifier in name.split(".") else math.sqrt(2.0 / fan_in)
        draw = torch.randn(module.weight.shape, generator=generator(seed, f"init/{name}.weight"))
        module.weight.copy_(draw * std)
        if module.bias is not None:
            module.bias.zero_()
