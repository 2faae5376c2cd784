"""The outputs of a network's modules, and what predictions are taken from, seen while the suite's own code runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from repro.evaluate import measure
from repro.evaluate.confusion import predicted
from repro.regression.sketch import Sketch, Sketcher

DEPTH = 3
"""So many parts of a module's dotted name tell where it is: backbone.blocks.block4, head.aspp.branches."""
WRAPPERS = ("network.", "segmenter.")
"""Around a network in training, and around one's own."""
PROBABILITIES = {1: "class probabilities, mean of all passes", 0: "class probabilities after the CRF"}
"""Dimension of the classes -> what predictions are taken from: a batch's probabilities, or one image's marginals."""


@dataclass
class Watch:
    """The first network that is called, and sketches of what comes into it and out of its modules.

    `passes`: how many of its calls are looked at; modules only in the first.
    """

    passes: int = 1
    dropout: bool = True
    """Whether the network may draw masks."""
    network: nn.Module | None = None
    inputs: list[Sketch] = field(default_factory=list)
    outputs: dict[str, Sketcher] = field(default_factory=dict)
    """Place -> what its modules gave, in the order of computing."""
    logits: list[Sketch] = field(default_factory=list)
    _names: dict[nn.Module, str] = field(default_factory=dict)
    _calls: int = 0

    def before(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        if self.network is None:
            self.network = module
            for part in module.modules() if not self.dropout else ():
                if isinstance(part, nn.modules.dropout._DropoutNd):
                    part.p = 0.0
            self._names = {part: name for name, part in module.named_modules() if not any(part.children())}
        if module is self.network and len(self.inputs) < self.passes:
            self.inputs.append(_sketch("input", given[0]))

    def after(self, module: nn.Module, _given: tuple[Any, ...], out: Any) -> None:
        if module is self.network:
            if len(self.logits) < self.passes:
                answers = out if isinstance(out, tuple) else (out,)
                self.logits.append(_sketch("logits", *answers))
        elif not self.logits and isinstance(out, Tensor) and module in self._names:
            self._calls += 1
            self.outputs.setdefault(place(self._names[module]), Sketcher()).add(f"{self._calls}", numbers(out))


def place(name: str) -> str:
    """Where a module or parameter of that dotted name is, for people."""
    while name.startswith(WRAPPERS):
        name = name.partition(".")[2]
    return ".".join(name.split(".")[:DEPTH])


def numbers(tensor: Tensor) -> Any:
    """A tensor as an array."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()


def _sketch(name: str, *tensors: Any) -> Sketch:
    made = Sketcher()
    for number, tensor in enumerate(tensors):
        if isinstance(tensor, Tensor):
            made.add(f"{name} {number}", numbers(tensor))
    return made.sketch


@contextmanager
def watching(passes: int = 1, *, dropout: bool = True) -> Iterator[Watch]:
    """Look at the first network that any code calls meanwhile."""
    watch = Watch(passes, dropout)
    hooks = register_module_forward_pre_hook(watch.before), register_module_forward_hook(watch.after)
    try:
        yield watch
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def watching_probabilities() -> Iterator[dict[str, Sketcher]]:
    """Look at what an evaluation takes its predictions from meanwhile: name -> sketch over all images.

    Predictions alone do not show a fault where a network calls nearly every pixel one class.
    """
    seen: dict[str, Sketcher] = {}
    images = {dim: count() for dim in PROBABILITIES}

    def sketched(scores: Tensor, dim: int) -> Tensor:
        sketcher = seen.setdefault(PROBABILITIES[dim], Sketcher())
        for image in scores if dim else [scores]:
            sketcher.add(f"image {next(images[dim])}", numbers(image))
        return predicted(scores, dim)

    with patch.object(measure, "predicted", sketched):
        yield seen
