"""Normalising a batch in parts, as several devices do that share no statistics.

A known mistake where the parts are small: the released code trained on clones with statistics of their own, each of
them large; ports to many small devices lost points (v3, Table 9 shows what small batches cost). As there, only the
first part's statistics enter the moving averages. The loss is the mean over the whole batch, not the mean of means.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from repro.nets.deeplab import DeepLab


def in_parts(network: nn.Module, x: Tensor, parts: int) -> tuple[Tensor, ...]:
    """(N, 3, H, W) -> the logits on which the loss acts; each of `parts` equal parts of N is normalised by itself."""
    if parts == 1:
        return _logits(network, x)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    outs = []
    try:
        for part in x.chunk(parts):
            outs.append(_logits(network, part))
            for norm in norms:
                norm.momentum = 0.0
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return tuple(torch.cat(terms) for terms in zip(*outs, strict=True))


def _logits(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    return network.training_logits(x) if isinstance(network, DeepLab) else (network(x),)
