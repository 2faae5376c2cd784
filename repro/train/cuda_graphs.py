"""How a step's operations reach the device: one by one, or recorded once as a CUDA graph and replayed.

A narrow network's step is hundreds of operations of a few microseconds each: a GPU's host needs longer to launch them
one by one than the GPU to compute them. Recorded, a whole step (augmentation, forward, backward, update) is one launch.
A recording reads and writes fixed places in memory; what changes from step to step therefore lies in tensors: the
batch's draw, the learning rates, the state of the generator that makes dropout's masks.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from repro.errors import InputError
from repro.train.prefetch import Batch

WARM_UP = 3
"""Steps computed one by one first: they choose kernels, and make the optimiser's state and what is cached."""

Step = Callable[[Batch], Tensor]
"""Computes a step on a batch, update included; returns the loss without gradient."""
Recorder = Callable[[Callable[[], Tensor]], Callable[[], Tensor]]
"""Turns what shall be computed into what computes it again from, and into, the same tensors."""


class Captured:
    """Steps that are computed one by one `WARM_UP` times, then recorded, then replayed; each call is one step.

    Recording computes nothing, so the first replay follows at once. The loss that a call returns is overwritten by the
    next. Raises InputError where a step can't be recorded.
    """

    def __init__(self, step: Step, device: torch.device, record: Recorder) -> None:
        self._step, self._record = step, record
        self._aside = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._warm = 0
        self._before: Batch | None = None
        self._held: Batch | None = None
        self._replay: Callable[[], Tensor] | None = None

    def __call__(self, batch: Batch) -> Tensor:
        if self._warm < WARM_UP:
            self._warm += 1
            self._before = batch
            return self._first(batch)
        if self._held is None or self._replay is None:
            assert self._before is not None
            # the same tensors as in the step before: the set itself, which lies on the device and never changes
            pairs = zip(batch.tensors(), self._before.tensors(), strict=True)
            held = self._held = Batch(*(tensor if tensor is same else tensor.clone() for tensor, same in pairs))
            self._replay = self._record(lambda: self._step(held))
        else:
            for place, tensor in zip(self._held.tensors(), batch.tensors(), strict=True):
                if place is not tensor:
                    place.copy_(tensor, non_blocking=True)
        return self._replay()

    def _first(self, batch: Batch) -> Tensor:
        """A step computed on a stream of its own, as what shall be recorded later wants it."""
        if self._aside is None:
            return self._step(batch)
        usual = torch.cuda.current_stream(self._aside.device)
        self._aside.wait_stream(usual)
        with torch.cuda.stream(self._aside), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*capturable=True")  # AdamW: that it is not being recorded (yet)
            loss = self._step(batch)
        usual.wait_stream(self._aside)
        return loss


def cuda_graph(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Record `compute` as a CUDA graph. Raises InputError where that can't be done; nothing may follow it here then, as
    a recording that broke off leaves the process' stream, memory and generator in the middle of it.
    """
    graph = torch.cuda.CUDAGraph()
    gc.collect()  # what a dead cycle keeps of earlier steps takes memory, and would tie gradients to their stream
    try:
        # "thread_local": by default any thread's pinning of memory, as for the next batch, would break the recording
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            out = compute()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = (str(first(error)).splitlines() or [type(first(error)).__name__])[0]
        raise InputError(f"--launch: a step cannot be captured ({reason}). Use --launch eager or compiled.") from error

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


def first(error: BaseException) -> BaseException:
    """What went wrong first: the end of a recording that broke off fails as well, and only says that it did."""
    while error.__context__ is not None:
        error = error.__context__
    return error
