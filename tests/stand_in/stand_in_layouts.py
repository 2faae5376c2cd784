"""Which operations of a step read or write large maps in two layouts. Prints {case: [operation, bytes]} as JSON."""

import json
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repro.data.augment import normalise
from repro.nets.init import initialise
from repro.spec.protocol import Model, Train
from repro.train.context import TrainingContext
from repro.train.distributed import SINGLE_PROCESS
from repro.train.optimizer import make_optimizer
from repro.train.step import backward
from repro.train.training import network_of

ASPP = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
MODELS = {
    "v3": Model(**ASPP),
    "v3+": Model(**ASPP, decoder=("conv2",), separable=True),
    "xception": Model(**ASPP, backbone="xception65", decoder=("conv2",), separable=True),
}


class Layouts(TorchDispatchMode):
    """Sums up, by operation, the bytes of calls whose maps have their channels last and first."""

    def __init__(self):
        super().__init__()
        self.mixed = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        # a map whose layout is one of the two and not both
        maps = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor) and t.dim() == 4]
        last, first = ([t for t in maps if _has(t, place)] for place in (1, 3))
        if last and first and not func.is_view:
            size = sum({t.data_ptr(): t.numel() * t.element_size() for t in (*last, *first)}.values())
            self.mixed.setdefault(str(func), []).append(size)
        return out


def _has(t, fastest):
    """Whether that dimension is the one whose neighbours lie side by side; in weights of 1x1 and the like both are."""
    return t.stride(fastest) == 1 and t.shape[fastest] > 1 and all(t.stride(d) > 1 for d in (1, 2, 3) if d != fastest)


def main(names):
    found = {}
    for name in names:
        model, _, kernels = name.partition(" ")
        train = Train(batch_size=16, crop=513, iterations=9, lr=0.01)
        with torch.device("cuda"):
            network = network_of(MODELS[model], 21, train).train()
            x = normalise(torch.zeros(16, 513, 513, 3, dtype=torch.uint8))
            y = torch.zeros(16, 513, 513, dtype=torch.int64)
        initialise(network, 0)
        network.to(memory_format=torch.channels_last)
        optimizer = make_optimizer(network, train)
        trainer = SINGLE_PROCESS.trainer(network, train)
        for step in range(2):
            optimizer.zero_grad(set_to_none=True)
            with Layouts() as layouts:
                backward(trainer, x, y, TrainingContext(train, 0, x.device, kernels=kernels or "torch"), step)
                optimizer.step()
        found[name] = layouts.mixed
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
