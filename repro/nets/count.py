"""What a network costs, counted from the network as built: `python -m repro.nets.count` (JSON in and out).

A program of its own, so that who plans need not import torch.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from repro.errors import InputError
from repro.nets.build import Network, build
from repro.nets.implementation import check_logits
from repro.nets.registry import error_text
from repro.spec.protocol import Model

IMAGES = 2
"""In training: batch normalisation after image pooling needs two."""
T = TypeVar("T")


def count(model: Model, classes: int, output_stride: int, sides: Sequence[int]) -> dict[str, Any]:
    """Return `parameters`, `weights`, and `multiply_adds` and `kept` of one square image of each of `sides`.

    Convolutions and linear layers are counted where they are modules; `kept` are the numbers that a training keeps of
    an image for its backward pass; `weights` is a digest of all names and shapes of a checkpoint. Raises InputError for
    a network that cannot be built, or whose logits are none or not finite.
    """
    # what is the user's may read weights, or look at values; the suite's own networks are built without memory
    with torch.device("cpu" if model.own else "meta"):
        try:
            network = build(model, classes, output_stride)
        except ValueError as error:
            raise InputError(f"model: {error}.") from error
        counted = [_tried(model, side, partial(_multiply_adds, network, model, classes)) for side in sides]
        kept = [_tried(model, side, partial(_kept, network)) for side in sides]
    shapes = repr(sorted((name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()))
    return {
        "multiply_adds": counted,
        "kept": kept,
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights": hashlib.sha256(shapes.encode()).hexdigest()[:20],
    }


def _tried(model: Model, side: int, counting: Callable[[int], T]) -> T:
    try:
        return counting(side)
    except InputError:
        raise
    except Exception as error:
        if model.own is None:
            raise
        key, name = model.own  # whatever somebody else's code raises
        raise InputError(f"{key}: {name} failed on an image of {side} x {side}: {error_text(error)}.") from error


def _multiply_adds(network: Network, model: Model, classes: int, side: int) -> int:
    """Multiply-adds of one image, (3, side, side)."""
    total = 0

    def hook(module: nn.Module, _: object, output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            total += output.numel() * module.weight[0].numel()

    network.eval()
    handles = [module.register_forward_hook(hook) for module in network.modules()]
    try:
        with torch.inference_mode():
            images = _images(1, side)
            logits = check_logits(network(images), images, model, classes)
    finally:
        for handle in handles:
            handle.remove()
    if not logits.is_meta and not torch.isfinite(logits).all():
        raise InputError(f"{': '.join(model.own or ())} gave logits that are not finite.")
    return total


def _kept(network: Network, side: int) -> float:
    """Numbers that autograd saves of one of `IMAGES` images, each once; what is learned or stored is left out."""
    own = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *network.buffers())}
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in own and tensor.is_floating_point():
            saved[storage] = tensor  # held, so that its storage is not given to another
        return tensor

    network.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(_images(IMAGES, side))
    return sum(t.untyped_storage().nbytes() // t.element_size() for t in saved.values()) / IMAGES


def _images(count: int, side: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, side, side, generator=generator, device="cpu")
    return images.to(torch.get_default_device())


def main() -> None:
    """Answer a list of questions on standard input, in the last line of standard output.

    What cannot be built or used is answered with `error`.
    """
    answers = []
    for query in json.load(sys.stdin):
        try:
            answers.append(count(Model(**query["model"]), query["classes"], query["output_stride"], query["sides"]))
        except InputError as error:
            answers.append({"error": str(error)})
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
