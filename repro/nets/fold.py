"""Batch normalisation in evaluation mode put into the convolution before it: one operation on a map instead of two."""

from __future__ import annotations

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

OURS = __name__.rpartition(".")[0]
"""The package whose networks call their sequences as a whole; of anybody else's parts that is not known."""


def fold_batch_norm(network: nn.Module) -> None:
    """Let a network's convolutions do what the normalisations right behind them would; equal but for rounding.

    In place; the network must be in evaluation mode, and cannot be trained or loaded afterwards.
    """
    for module in [module for module in network.modules() if _ours(module)]:
        for block in (module, *module.children()):
            if isinstance(block, nn.Sequential) and (_ours(block) or type(block) is nn.Sequential):
                _fold(block)


def _ours(module: nn.Module) -> bool:
    return type(module).__module__.startswith(OURS)


def _fold(block: nn.Sequential) -> None:
    for (at, first), (after, second) in pairwise(list(block.named_children())):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            setattr(block, at, fuse_conv_bn_eval(first, second))
            setattr(block, after, nn.Identity())
