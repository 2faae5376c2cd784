"""The forward and backward passes of one step: a process's share of a batch, whole or in micro-batches.

The loss of a batch is a mean over its pixels that are not void. Shares and micro-batches hold different numbers of
these, so each part's sum is divided by the whole batch's count: the gradients of all parts add up to the batch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from repro.nets.precision import autocast
from repro.randomness import generator
from repro.spec.protocol import Pretrain, Train
from repro.train.context import TrainingContext
from repro.train.distributed import Trainer
from repro.train.loss import VOID, pixel_loss, presence_loss, subsample


def parts(count: int, train: Train | Pretrain) -> list[slice]:
    """A process's `count` samples of a batch in equal parts, one for each micro-batch."""
    size = count * (train.micro_batch or train.batch_size) // train.batch_size
    return [slice(first, first + size) for first in range(0, count, size)]


def backward(
    trainer: Trainer,
    x: Tensor,
    y: Tensor,
    context: TrainingContext,
    step: int,
) -> Tensor:
    """Add the gradients of a batch's loss, of which x (n, 3, H, W) and y (n, H, W) are this process's share.

    Returns this share's part of the loss, without gradient: the parts of all processes sum up to the loss.
    """
    train, dist = context.settings, context.dist
    pieces = parts(len(x), train)
    counts: list[Tensor] | None = None
    total = None
    for number, piece in enumerate(pieces):
        # a CUDA graph takes the generator's state when it is replayed, and can't record that it is set
        if not (x.is_cuda and torch.cuda.is_current_stream_capturing()):
            seed_dropout(x.device, context.seed, step, dist.rank, number)
        whole = len(pieces) == 1
        images, labels = (x, y) if whole else (x[piece], y[piece])
        with trainer.gathering(wait=number < len(pieces) - 1):
            with autocast(x.device, trainer.precision):
                outs = trainer(images.contiguous(memory_format=torch.channels_last))
            if isinstance(train, Train):
                if counts is None and not (whole and dist.size == 1):
                    counts = [dist.all_reduce(counted(y, out, train)) for out in outs]
                loss = _pixel_terms(outs, labels, train, counts, fused=context.kernels == "fused")
            else:
                loss = presence_loss(outs[0], labels)
                if not (whole and dist.size == 1):
                    loss = loss * (len(labels) / train.batch_size)
            trainer.backward(loss)
        total = loss.detach() if total is None else total + loss.detach()
    assert total is not None
    return total


def counted(labels: Tensor, logits: Tensor, train: Train) -> Tensor:
    """Number of labels that the loss on these logits counts."""
    seen = labels if train.upsample_logits else subsample(labels, (logits.shape[2], logits.shape[3]))
    return (seen != VOID).sum()


def _pixel_terms(
    outs: tuple[Tensor, ...], labels: Tensor, train: Train, counts: list[Tensor] | None, *, fused: bool
) -> Tensor:
    """One term, or v2's four of equal weight for multi-scale inputs; over `counts` pixels, or the labels' own."""
    given: Sequence[Tensor | None] = counts or [None] * len(outs)
    terms = [
        pixel_loss(
            out,
            labels,
            upsample_logits=train.upsample_logits,
            align_corners=train.align_corners,
            count=count,
            fused=fused,
        )
        for out, count in zip(outs, given, strict=True)
    ]
    return torch.stack(terms).sum()


def seed_dropout(device: torch.device, seed: int, step: int, rank: int, number: int) -> None:
    """Dropout's masks are the only draws left to torch; each part of a batch has its own."""
    part = () if (rank, number) == (0, 0) else (rank, number)
    drawn = int(generator(seed, "dropout", step, *part).integers(2**62))
    # torch.manual_seed would seed every kind of device there is: 0.1 ms a step where there is a GPU, 0.5 ms else
    if device.type == "cuda":
        own = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[own].manual_seed(drawn)
    else:
        torch.default_generator.manual_seed(drawn)


def keep_averages_per_step(network: nn.Module, pieces: int) -> None:
    """Let `pieces` micro-batches together move batch normalisation's averages as far as one batch does."""
    if pieces == 1:
        return
    for module in _norms(network):
        if module.momentum is not None:
            module.momentum = 1.0 - (1.0 - module.momentum) ** (1.0 / pieces)


def _norms(network: nn.Module) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            yield module
