"""A loss that is no number: what was bad first, inputs, weights, maps or gradients, and in which module.

By the time a loss is looked at everything is bad. A training is determined by its seed, so its steps are computed again
from the state that this process began with, each looked at closely; where all is well the second time, what differs is
the computing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from repro.spec.protocol import Precision
from repro.train.context import TrainingContext
from repro.train.optimizer import hold_rates, set_rates
from repro.train.prefetch import Prefetcher
from repro.train.schedule import multiplier
from repro.train.step import backward

LONGEST_SECONDS = 300.0
"""Computing again ends after so long, with what is known then."""
REMEDY = "a smaller train.lr or a larger train.batch_size may help"


@dataclass(frozen=True)
class ProcessState:
    """What a process began with: the step, the network's and the optimiser's state, on the CPU."""

    step: int
    network: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]


@dataclass(frozen=True)
class Recomputation:
    """What it takes to compute steps again."""

    context: TrainingContext
    precision: Precision
    prefetcher: Prefetcher
    optimizer: torch.optim.Optimizer


def copied(state: Any) -> Any:
    """A state dict whose tensors are copies on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().cpu().clone()
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    return [copied(value) for value in state] if isinstance(state, list | tuple) else state


def what_was_bad_first(network: nn.Module, before: ProcessState, again: Recomputation, last: int) -> str:
    """A sentence and its remedy. The network and the optimiser are left in whatever state."""
    context = again.context
    train, dist = context.settings, context.dist
    if dist.size > 1:
        return REMEDY
    network.load_state_dict(dict(before.network))
    again.optimizer.load_state_dict(dict(before.optimizer))
    hold_rates(again.optimizer, next(network.parameters()).device, captured=False)
    if name := _bad(network.state_dict().items()):
        return f"{_module(name)} began with weights that are no numbers; check what the training starts from"
    trainer = dist.trainer(network, train, again.precision)
    began = time.monotonic()
    for step in range(before.step, last + 1):
        if time.monotonic() - began > LONGEST_SECONDS or context.hooks.should_stop():
            return f"steps {before.step} to {step} were computed again and all was well; {REMEDY}"
        set_rates(again.optimizer, train.lr * multiplier(train, step))
        x, y = again.prefetcher.samples(step)
        if not torch.isfinite(x).all():
            return f"first bad at step {step}: the images; `repro data verify` looks at the files"
        again.optimizer.zero_grad(set_to_none=True)
        with _watched(network) as maps:
            loss = backward(trainer, x, y, context, step)
        where = f"first bad at step {step}: "
        if maps:
            return f"{where}the map that {maps[0]} makes of good inputs and weights; {REMEDY}"
        if not torch.isfinite(loss):
            return f"{where}the loss of good maps; {REMEDY}"
        if gradients := [n for n, p in network.named_parameters() if p.grad is not None and not _good(p.grad)]:
            # gradients flow from the last module to the first
            return f"{where}the gradient of {gradients[-1]}, of a good loss; {REMEDY}"
        again.optimizer.step()
        if name := _bad(network.state_dict().items()):
            return f"{where}{name} after good gradients; {REMEDY}"
    return (
        f"computed again from step {before.step}, the same steps give a loss: results depend on what lies in memory. "
        "Try --set train.precision=float32, and please report it with what `repro doctor` prints"
    )


def _good(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _bad(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """The first name whose tensor has a value that is no number; empty if there is none."""
    return next((name for name, tensor in tensors if tensor.is_floating_point() and not _good(tensor)), "")


def _module(name: str) -> str:
    return name.rpartition(".")[0] or "the network"


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[str]]:
    """Within, the names of modules without parts whose map is bad although what they are given is good, in order."""
    bad_modules: list[str] = []

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def check_finite(_module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            tensors = [t for t in given if isinstance(t, Tensor)]
            if isinstance(out, Tensor) and not _good(out) and all(map(_good, tensors)):
                bad_modules.append(name)

        return check_finite

    handles = [
        module.register_forward_hook(hook(name))
        for name, module in network.named_modules()
        if not next(module.children(), None)
    ]
    try:
        yield bad_modules
    finally:
        for handle in handles:
            handle.remove()
