"""How many batches each normalisation has seen (`num_batches_tracked`), reckoned instead of counted.

torch adds 1 to a counter of each layer at each pass: 112 launches in a step of ResNet-101. A step's passes are known,
so the counters are put aside while a network trains, and what they would be goes into checkpoints and the result.
"""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor, nn

from repro.nets.deeplab import DeepLab
from repro.nets.presence import PresenceNet
from repro.spec.protocol import Pretrain, Train


class BatchCounts:
    """A context within which a network's normalisations have no counters; `steps` is for who trains it to count up.

    Networks that are not the suite's keep theirs, as nobody knows how often a step calls their layers.
    """

    def __init__(self, network: nn.Module, train: Train | Pretrain, processes: int = 1) -> None:
        self.steps = 0
        self._each = passes(network, train, processes)
        self._counters: list[tuple[str, nn.BatchNorm2d, Tensor]] = []
        for name, module in network.named_modules() if self._each else ():
            if isinstance(module, nn.BatchNorm2d) and module.training and module.num_batches_tracked is not None:
                self._counters.append((f"{name}.num_batches_tracked", module, module.num_batches_tracked))

    def __enter__(self) -> BatchCounts:
        for _, module, _ in self._counters:
            module.num_batches_tracked = None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.put_back()

    def state_dict(self) -> dict[str, Tensor]:
        """What the network's state lacks meanwhile."""
        return {name: counter + self.steps * self._each for name, _, counter in self._counters}

    def put_back(self) -> None:
        """Give the network its counters back."""
        if self._counters:
            torch._foreach_add_([counter for _, _, counter in self._counters], self.steps * self._each)
        for _, module, counter in self._counters:
            module.num_batches_tracked = counter
        self._counters = []


def passes(network: nn.Module, train: Train | Pretrain, processes: int = 1) -> int:
    """How often a process calls each normalisation of a network in a step; 0 where that is not known."""
    if not isinstance(network, DeepLab | PresenceNet):
        return 0
    at_once = (train.micro_batch or train.batch_size) // processes
    parts = train.batch_norm_parts if isinstance(train, Train) else 1
    chunks = -(-at_once // -(-at_once // parts))  # as Tensor.chunk parts them
    scales = len(network.input_scales) if isinstance(network, DeepLab) else 1
    return train.batch_size // (train.micro_batch or train.batch_size) * chunks * scales
