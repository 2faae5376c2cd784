"""Batch normalisation over the samples of all processes that train a network together.

All have shares of one size. torch's own, which has to reckon with empty ones, asks the device at every layer which
processes have any: 336 waits in a step of ResNet-101. On a GPU these are its kernels without that question, one
collective each way; elsewhere plain tensor operations, as torch has none there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """(N, C, H, W) of any dtype, normalised with the statistics of `processes` shares of that size.

    In evaluation mode that of `nn.BatchNorm2d`. `momentum` None, a mean over all batches, is not there.
    """

    def __init__(self, like: nn.BatchNorm2d, processes: int) -> None:
        super().__init__(like.num_features, like.eps, like.momentum)
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked
        self.processes = processes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        averages, momentum = (self.running_mean, self.running_var), self.momentum or 0.0
        if x.is_cuda:
            given = (self.weight, self.bias, *averages, self.eps, momentum, self.processes)
            return NormalisedByKernels.apply(x, *given)  # type: ignore[no-any-return, no-untyped-call]
        # two sums, the mean's before the variance's, as the mean of squares less the square of the mean loses digits
        wide, count = x.float(), float(x.numel() // x.shape[1] * self.processes)
        mean = distributed_sum(wide.sum(dim=(0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = distributed_sum(centred.square().sum(dim=(0, 2, 3))) / count
        unbiased = variance.detach() * (count / max(count - 1, 1))
        for average, value in zip(averages, (mean.detach(), unbiased), strict=True):
            if average is not None:
                with torch.no_grad():
                    average.lerp_(value, momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class NormalisedByKernels(torch.autograd.Function):
    """The same by CUDA's kernels: maps of any layout, read as they are.

    (x, weight, bias, running_mean, running_var, eps, momentum, processes) -> a map like x; moves the averages.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        eps: float,
        momentum: float,
        processes: int,
    ) -> Tensor:
        own = torch.cat(torch.batch_norm_stats(x, eps))
        gathered = own.new_empty(processes, 2, x.shape[1])
        distributed.all_gather_into_tensor(gathered.view(-1), own)
        means, inverse_deviations = gathered.unbind(1)
        counts = torch.full((processes,), x.numel() // x.shape[1], dtype=own.dtype, device=x.device)
        mean, inverse_deviation = torch.batch_norm_gather_stats_with_counts(
            x, means, inverse_deviations, running_mean, running_var, momentum, eps, counts
        )
        ctx.save_for_backward(x, weight, mean, inverse_deviation, counts.to(torch.int32))
        return torch.batch_norm_elemt(x, weight, bias, mean, inverse_deviation, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse_deviation, counts = ctx.saved_tensors
        layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        towards = gradients[0].contiguous(memory_format=layout)
        *sums, of_weight, of_bias = torch.batch_norm_backward_reduce(
            towards, x, mean, inverse_deviation, weight, *ctx.needs_input_grad[:3]
        )
        of_x = None
        if ctx.needs_input_grad[0]:
            both = torch.cat(sums)
            distributed.all_reduce(both)
            sum_towards, sum_along = both.view(2, -1)
            of_x = torch.batch_norm_backward_elemt(
                towards, x, mean, inverse_deviation, weight, sum_towards, sum_along, counts
            )
        return of_x, of_weight, of_bias, None, None, None, None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].clone()
        distributed.all_reduce(summed)
        return summed


def distributed_sum(tensor: Tensor) -> Tensor:
    """The sum over processes, with gradient: each one's input acts on all outputs."""
    return _Sum.apply(tensor)  # type: ignore[no-any-return, no-untyped-call]


def synchronise(network: nn.Module, processes: int) -> None:
    """Make batch normalisation in training mode that of all processes; parameters and averages stay the same."""
    for name, child in network.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            synchronise(child, processes)
        elif child.training:
            setattr(network, name, SyncedBatchNorm2d(child, processes))
