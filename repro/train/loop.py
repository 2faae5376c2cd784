"""The training loop: one function from (network, images, settings, seed) to trained weights and a curve."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.deeplab import set_resizing
from repro.nets.trust import trusted
from repro.spec.protocol import Precision, Train
from repro.train import checkpoint
from repro.train.batch_counts import BatchCounts
from repro.train.checkpoint import Checkpoint
from repro.train.context import TrainingContext
from repro.train.cuda_graphs import Captured, cuda_graph
from repro.train.divergence import ProcessState, Recomputation, copied, what_was_bad_first
from repro.train.launch_modes import Kernels, LaunchMode, captures, compiles, without_capture
from repro.train.optimizer import hold_rates, set_batch_norm, set_rates
from repro.train.optimizer import make_optimizer as make_optimizer
from repro.train.prefetch import Prefetcher
from repro.train.schedule import multiplier as multiplier
from repro.train.step import backward, keep_averages_per_step, seed_dropout

CURVE_POINTS = 200
_SAVING_SHARE = 0.01
_LONGEST_SECONDS = 600.0
"""Checkpoints are `Hooks.checkpoint_seconds` apart, or as much further as keeps writing them below this share of the
time, but never further than this."""


class DivergedError(Exception):
    """The loss stopped being a number."""


class StoppedError(Exception):
    """The training was asked to stop; its checkpoint is on disk."""


@dataclass
class TrainingCurve:
    """Loss and learning rate by step, at most about CURVE_POINTS points."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class BatchLayout:
    """How batches were computed from a step on: by so many processes, each taking so many images at once."""

    from_step: int
    processes: int
    micro_batch: int
    launch: LaunchMode = "eager"
    precision: Precision = "float32"
    """Of convolutions and products."""
    kernels: Kernels = "torch"


def fit(
    network: nn.Module, images: PaddedSplit, context: TrainingContext, order: npt.NDArray[np.int64] | None = None
) -> tuple[TrainingCurve, list[BatchLayout]]:
    """Train `network` in place for all steps of the settings; resumes from a checkpoint in the hooks' folder.

    A `Pretrain` learns which classes are present, a `Train` segments. `order` (M,) are the images of one pass, some of
    them more than once (None: each once). Every process calls this with the same settings and images; each computes its
    share of a batch, and of each micro-batch. Steps are compiled only where one process computes, and captured only
    where it computes a batch at once. Returns the curve, and how batches were computed. Raises DivergedError,
    StoppedError, or InputError for a launch mode that the device can't do.
    """
    train, seed, hooks, dist = context.settings, context.seed, context.hooks, context.dist
    device, launch = context.device, context.launch
    if captures(launch) and device.type != "cuda":
        raise InputError(
            f"--launch {launch}: needs a CUDA device, and this one is {device.type}. "
            f"Use --launch {without_capture(launch)}."
        )
    if context.kernels == "fused" and (device.type != "cuda" or find_spec("triton") is None):
        there = f"this one is {device.type}" if device.type != "cuda" else "there is no Triton"
        raise InputError(f"--kernels fused: needs a CUDA device and Triton, and {there}. Use --kernels torch.")
    order = np.arange(len(images.sizes)) if order is None else order
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(train, Train):
        set_resizing(network, align_corners=train.align_corners)
    at_once = (train.micro_batch or train.batch_size) // dist.size
    size = at_once, train.crop, train.crop
    numbers = trusted(network, device, train.precision or "auto", [size], hooks.warn, learning=True)
    if float(dist.all_reduce(torch.tensor(float(numbers == "float32")))) > 0:
        numbers = "float32"  # for all, where one of them found a fault
    network.train()
    set_batch_norm(network, train)
    dist.synchronise_batch_norm(network)
    if context.kernels == "fused" and dist.size == 1 and not compiles(launch):
        from repro.nets.fused_norm import fuse_batch_norm  # Triton is not everywhere

        fuse_batch_norm(network)
    optimizer = make_optimizer(network, train)
    curve, layouts, start = TrainingCurve(), list[BatchLayout](), 0
    if hooks.folder is not None and (state := checkpoint.load(hooks.folder, hooks.warn)) is not None:
        network.load_state_dict(dict(state.network))
        optimizer.load_state_dict(dict(state.optimizer))
        curve, start = TrainingCurve(**state.notes["curve"]), state.step
        layouts = [BatchLayout(**fields) for fields in state.notes["layouts"]]
    mine = dist.shard(train.batch_size)
    layout = _layout(start, context, numbers)
    if not layouts or replace(layout, from_step=layouts[-1].from_step) != layouts[-1]:
        layouts = [*(earlier for earlier in layouts if earlier.from_step < start), layout]
    began_with = ProcessState(start, copied(network.state_dict()), copied(optimizer.state_dict()))
    hold_rates(optimizer, device, captured=captures(layout.launch))
    keep_averages_per_step(network, train.batch_size // (train.micro_batch or train.batch_size))
    every = max(1, train.iterations // CURVE_POINTS)
    counts = BatchCounts(network, train, dist.size)

    def save(step: int) -> None:
        if hooks.folder is not None and dist.is_main:
            notes = {"curve": vars(curve), "layouts": [vars(earlier) for earlier in layouts]}
            whole = network.state_dict() | counts.state_dict()
            checkpoint.save(hooks.folder, Checkpoint(step, whole, optimizer.state_dict(), notes))

    fused = context.kernels == "fused"
    with Prefetcher(images, order, train, seed, mine, device, fused=fused) as prefetcher, counts:
        compute = _compute(network, optimizer, context, layout, prefetcher)
        hooks.on_start(start)
        saved, apart = time.monotonic(), hooks.checkpoint_seconds
        reported, reported_at = start, time.monotonic()
        for step in range(start, train.iterations):
            set_rates(optimizer, train.lr * multiplier(train, step))
            loss = compute(step)
            counts.steps += 1
            last = step == train.iterations - 1
            if step % every == 0 or last:
                value = float(dist.all_reduce(loss))  # a wait for the device: not at every step
                if not math.isfinite(value):
                    counts.put_back()
                    again = Recomputation(context, layout.precision, prefetcher, optimizer)
                    raise DivergedError(
                        f"the loss is {value} at step {step} of {train.iterations} (learning rate "
                        f"{train.lr * multiplier(train, step):.2g}, batch size {train.batch_size}); "
                        f"{what_was_bad_first(network, began_with, again, step)}"
                    )
                curve.step.append(step)
                curve.loss.append(value)
                curve.lr.append(train.lr * multiplier(train, step))
                # a GPU's host runs ahead: only between two waits is there a time that a step took
                now = time.monotonic()
                hooks.on_step(step + 1, value, (now - reported_at) / (step + 1 - reported))
                reported, reported_at = step + 1, now
            stop = dist.broadcast(hooks.should_stop()) and not last
            due = hooks.checkpoint_steps is not None and (step + 1) % hooks.checkpoint_steps == 0
            if stop or due or time.monotonic() - saved > apart:
                before = time.monotonic()
                save(step + 1)
                saved = time.monotonic()
                apart = max(hooks.checkpoint_seconds, min((saved - before) / _SAVING_SHARE, _LONGEST_SECONDS))
            if stop:
                raise StoppedError(f"stopped after step {step + 1} of {train.iterations}")
    return curve, layouts


def _compute(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    context: TrainingContext,
    layout: BatchLayout,
    prefetcher: Prefetcher,
) -> Callable[[int], Tensor]:
    """What computes the step of a number and updates the weights -> this process's part of the loss."""
    train, device, dist = context.settings, context.device, context.dist
    fused = context.kernels == "fused"
    trainer = dist.trainer(network, train, layout.precision, compiled=compiles(layout.launch), fused=fused)

    def learn(x: Tensor, y: Tensor, step: int) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = backward(trainer, x, y, context, step)
        optimizer.step()
        return loss

    if not captures(layout.launch):
        return lambda step: learn(*prefetcher.samples(step), step)
    at = [0]
    captured = Captured(lambda batch: learn(*batch.samples(train, fused=fused), at[0]), device, cuda_graph)

    def replayed(step: int) -> Tensor:
        at[0] = step
        seed_dropout(device, context.seed, step, dist.rank, 0)
        return captured(prefetcher(step))

    return replayed


def _layout(start: int, context: TrainingContext, numbers: Precision) -> BatchLayout:
    """How batches are computed from step `start` on."""
    train, processes, launch = context.settings, context.dist.size, context.launch
    share, at_once = (n // processes for n in (train.batch_size, train.micro_batch or train.batch_size))
    # torch.compile would split the network at each normalisation over processes: hundreds of graphs
    mode: LaunchMode = "eager" if processes > 1 else launch if at_once == share else without_capture(launch)
    return BatchLayout(start, processes, at_once, mode, numbers, context.kernels)
