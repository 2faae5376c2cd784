"""Random networks for comparisons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from repro.nets.init import initialise


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Random weights, scales and statistics that keep activations of order one."""
    generator = torch.Generator().manual_seed(seed)
    initialise(network, seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.3, 0.9, generator=generator)
            nn.init.normal_(module.bias, 0, 0.2, generator=generator)


def drawn(make: Callable[[], nn.Module]) -> nn.Module:
    """What `make` builds, with random weights, for evaluation; its own slow drawing of them is skipped."""
    with torch.device("meta"):
        network = make()
    network.to_empty(device="cpu")
    randomise(network)
    return network.eval()
