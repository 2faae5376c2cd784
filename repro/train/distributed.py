"""The processes that train one network together, each on its share of every batch.

A batch is drawn whole from (seed, step) by every process and cut in shares, so that 1, 2, 4 or 8 processes see the same
samples in the same order. Batch normalisation, the loss and the gradient are those of the whole batch; what differs
from one process is rounding, and the masks of dropout.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from repro.errors import InputError
from repro.spec.protocol import Precision, Pretrain, Train
from repro.train.half_weights import HalfWeights
from repro.train.split_batch_norm import in_parts
from repro.train.synced_batch_norm import synchronise

_TIMEOUT = timedelta(minutes=30)
"""Of a collective: one process may still write a checkpoint, or build the data set's cache, while others wait."""


@dataclass(frozen=True)
class DistributedContext:
    """Process number `rank` of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes checkpoints and tells of progress."""
        return self.rank == 0

    def shard(self, count: int) -> slice:
        """This process's part of a batch of `count` samples. Raises InputError for a count that is not divisible."""
        if count % self.size:
            raise InputError(
                f"--gpus-per-training {self.size}: a batch of {count} images is not divisible by the number of "
                f"processes. Choose a divisor of {count}."
            )
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors of that shape, without gradient."""
        if self.size == 1:
            return tensor
        summed = tensor.detach().clone()
        distributed.all_reduce(summed)
        return summed

    def broadcast(self, flag: bool) -> bool:
        """The first process's `flag`."""
        if self.size == 1:
            return flag
        tensor = torch.tensor([int(flag)])  # on the CPU, where sending it does not wait for the device's queue
        distributed.broadcast(tensor, src=0)
        return bool(tensor.item())

    def synchronise_batch_norm(self, network: nn.Module) -> None:
        """Make batch normalisation in training mode use the whole batch's statistics; the parameters stay the same."""
        if self.size > 1:
            synchronise(network, self.size)

    def trainer(
        self,
        network: nn.Module,
        train: Train | Pretrain,
        precision: Precision | None = None,
        *,
        compiled: bool = False,
        fused: bool = False,
    ) -> Trainer:
        """What the loop calls; with several processes its backward pass sums up all processes' gradients.

        `precision`: None as the settings wish it; `compiled`: by torch.compile, which joins operations between products
        into few; `fused`: with weights in bfloat16 made at once, where one process computes without compiling.
        """
        parts = train.batch_norm_parts if isinstance(train, Train) else 1
        return Trainer(network, self, parts, precision or train.precision or "auto", compiled=compiled, fused=fused)


SINGLE_PROCESS = DistributedContext()


class Trainer:
    """A network as the loop calls it: images (N, 3, H, W) -> the logits on which the loss acts."""

    def __init__(
        self,
        network: nn.Module,
        dist: DistributedContext,
        batch_norm_parts: int,
        precision: Precision,
        *,
        compiled: bool = False,
        fused: bool = False,
    ) -> None:
        self._dist = dist
        self.precision = precision
        module = _TrainingLogits(network, batch_norm_parts)
        self._compiled = compiled
        if compiled:
            # a training's shapes are few: each is compiled for itself, as kernels for any shape are slower. Masks of
            # dropout are those that are drawn without compiling, else a record's key would mean two trainings
            module.compile(dynamic=False, options={"fallback_random": True})
        # buffers: equal in all processes, as they follow from the whole batch
        self._parallel = (
            DistributedDataParallel(module, broadcast_buffers=False, gradient_as_bucket_view=True)
            if dist.size > 1
            else None
        )
        self._call: nn.Module = self._parallel or module
        at_once = fused and precision == "bfloat16" and not compiled and self._parallel is None
        self._halved = HalfWeights(module) if at_once else None

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Raises InputError where the network can't be compiled."""
        if self._halved is not None:
            return self._halved(x)  # type: ignore[no-any-return]
        if not self._compiled:
            return self._call(x)  # type: ignore[no-any-return]
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._call(x)  # type: ignore[no-any-return]
        except TorchDynamoException as error:
            reason = " ".join(str(error).split("\n\n")[0].split())[:300]
            raise InputError(
                f"--launch compiled: torch.compile failed ({reason}). It needs a C++ compiler, on a GPU also Triton "
                "and Python's headers: see `repro doctor`. Use --launch eager or captured."
            ) from error

    def gathering(self, *, wait: bool) -> AbstractContextManager[None]:
        """A context for a forward and a backward pass whose gradients wait (`wait`) for those of a later one."""
        return self._parallel.no_sync() if self._parallel is not None and wait else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the sum of all processes' `loss`."""
        if self._parallel is not None:
            loss = loss * self._dist.size  # DistributedDataParallel takes the mean
        loss.backward()  # type: ignore[no-untyped-call]


class _TrainingLogits(nn.Module):
    """A module around a network, as DistributedDataParallel hooks on a module's call only."""

    def __init__(self, network: nn.Module, batch_norm_parts: int) -> None:
        super().__init__()
        self.network, self.batch_norm_parts = network, batch_norm_parts

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return in_parts(self.network, x, self.batch_norm_parts)


@contextmanager
def process_group(device: torch.device, rank: int, size: int, port: int) -> Iterator[DistributedContext]:
    """Join the processes of this machine that train together, each with a GPU of its own or all on the CPU.

    They meet at the TCPStore that listens at `port`. Sums of tensors on GPUs go over NCCL, those on the CPU over Gloo.
    """
    store = distributed.TCPStore("127.0.0.1", port, is_master=False, timeout=_TIMEOUT)  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_TIMEOUT)
    yield DistributedContext(rank, size)
    # not after a failure: others may wait in a sum that never comes, and NCCL would have this process wait for them
    distributed.destroy_process_group()
