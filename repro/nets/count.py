"""What a network of one's own costs, counted from the network as built: `python -m repro.nets.count` (JSON in and out).

A program of its own, so that who plans need not import torch.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from repro.errors import InputError
from repro.nets.implementation import OwnNetwork, build_own, words
from repro.spec.protocol import Model


def count(model: Model, classes: int, output_stride: int, sides: Sequence[int]) -> dict[str, Any]:
    """Return `parameters`, `weights`, and `multiply_adds` and `kept` of one square image of each of `sides`.

    Convolutions and linear layers are counted where they are modules; `kept` is twice what layers hand on; `weights` is
    a digest of all names and shapes of a checkpoint. Raises InputError for a network that cannot be built, or whose
    logits are none or not finite.
    """
    network = build_own(model, classes, output_stride).eval()
    counted = [_pass(network, side) for side in sides]
    shapes = repr(sorted((name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()))
    return {
        "multiply_adds": [multiply_adds for multiply_adds, _ in counted],
        "kept": [kept for _, kept in counted],
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights": hashlib.sha256(shapes.encode()).hexdigest()[:20],
    }


def _pass(network: OwnNetwork, side: int) -> tuple[int, int]:
    """Multiply-adds and kept numbers of one image, (3, side, side)."""
    multiply_adds = kept = 0

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
            logits = network(torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)))
    except InputError:
        raise
    except Exception as error:
        at = f"{network.implementation} failed on an image of {side} x {side}"
        raise InputError(f"model.implementation: {at}: {words(error)}.") from error
    finally:
        for handle in handles:
            handle.remove()
    if not torch.isfinite(logits).all():
        raise InputError(f"model.implementation: {network.implementation} gave logits that are not finite.")
    return multiply_adds, kept


def main() -> None:
    """Answer a list of questions on standard input, in the last line of standard output.

    What cannot be built or used is answered with `error`.
    """
    answers = []
    for asked in json.load(sys.stdin):
        try:
            answers.append(count(Model(**asked["model"]), asked["classes"], asked["output_stride"], asked["sides"]))
        except InputError as error:
            answers.append({"error": str(error)})
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
