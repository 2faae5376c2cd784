"""What a network of one's own costs, counted from the network as built: `python -m repro.nets.count` (JSON in and out).

A program of its own, so that who plans need not import torch.
"""

from __future__ import annotations

import json
import sys

import torch
from torch import Tensor, nn

from repro.errors import InputError
from repro.nets.build import build
from repro.spec.protocol import Model

SIDE = 129
"""Pixels of the square image that is counted; costs are given per pixel."""


def count(model: Model, classes: int, output_stride: int) -> dict[str, float]:
    """Return `multiply_adds` and `kept` (numbers that layers hand on, twice each) per pixel, and `parameters`."""
    network = build(model, classes, output_stride).eval()
    multiply_adds, kept = 0.0, 0.0

    def hook(module: nn.Module, _: object, output: object) -> None:
        nonlocal multiply_adds, kept
        if not isinstance(output, Tensor):
            return
        kept += 2 * output.numel()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            multiply_adds += output.numel() * module.weight[0].numel()

    leaves = [module for module in network.modules() if not list(module.children())]
    handles = [module.register_forward_hook(hook) for module in leaves]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, SIDE, SIDE))
    finally:
        for handle in handles:
            handle.remove()
    parameters = sum(p.numel() for p in network.parameters())
    return {"multiply_adds": multiply_adds / SIDE**2, "kept": kept / SIDE**2, "parameters": parameters}


def main() -> int:
    """Count what standard input asks for; exit code 2 and one line where that cannot be built."""
    asked = json.load(sys.stdin)
    try:
        counted = count(Model(**asked["model"]), asked["classes"], asked["output_stride"])
    except (InputError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    json.dump(counted, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
