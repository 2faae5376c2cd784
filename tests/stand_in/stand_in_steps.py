"""Trainings on the stand-in: what their steady steps ask of a device. Prints {case: what was seen} as JSON."""

import json
import sys
import time
from collections import Counter

import numpy as np
import stand_in_log
import torch
from torch.optim import optimizer as optimizers

from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.init import initialise
from repro.spec.protocol import Model, Pretrain, Train
from repro.train import prefetch
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import StoppedError, fit
from repro.train.training import network_of

GPU = torch.device("cuda")
STEADY, STEPS = 5, 9
"""Steps before the log is kept, and all of them; the loss is read at the first, and not again before the 101st."""
NARROW = {"backbone": "resnet50", "units": (2, 2, 2, 2), "width": 4, "stem_width": 4, "head_channels": 8}
ASPP = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True, "dropout": 0.5}
DECODER = {"decoder": ("conv2",), "decoder_channels": 8, "decoder_low_level_channels": 4}
TRAIN = Train(start="random", crop=33, batch_size=4, iterations=20_000, lr=0.01)
MODELS = {
    "v3": {**NARROW, **ASPP},
    "shallow v3": {**NARROW, **ASPP, "units": (1, 1, 1, 1)},
    "v3+": {**NARROW, **ASPP, **DECODER, "separable": True},
    "cascade": {**NARROW, "last_block": 6},
    "xception": {**ASPP, **DECODER, "backbone": "xception65", "width": 4, "head_channels": 8},
    "mobilenet": {**ASPP, "backbone": "mobilenet_v2", "head_channels": 8},
    "vgg": {"backbone": "vgg16", "width": 4, "head": "fc", "fc_kernel": 3, "fc_channels": 16, "atrous_rates": (12,)},
    "several scales": {**NARROW, "multi_scale": True},
}
SETTINGS = {
    "": TRAIN,
    "adamw": TRAIN.model_copy(update={"optimizer": "adamw"}),
    "subsampled": TRAIN.model_copy(update={"upsample_logits": False}),
    "micro-batches": TRAIN.model_copy(update={"micro_batch": 2}),
    "presence": Pretrain(crop=33, batch_size=4, iterations=20_000),
}


def photographs(count, side):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, (count, side, side), dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((count, 2), side, dtype=np.int32), tuple(map(str, range(count))))


# ---- faults to be found, each planted into a network that trains


def cpu_tensor(x):
    return x + torch.ones(1).to(x.device)


def array(x):
    return x + float(x.detach().float().cpu().numpy().sum() * 0)


def item(x):
    return x + x.detach().sum().item() * 0


def host_list(x):
    return x * torch.tensor([1.0], device=x.device)


def truth_in_a_hook(x):
    x.register_hook(lambda gradient: gradient if bool(gradient.isfinite().all()) else None)
    return x


def dtype_of_bfloat16(x):
    return x.index_add(
        0, torch.zeros(1, dtype=torch.int64, device=x.device), torch.zeros_like(x[:1], dtype=torch.float)
    )


def wait_after_the_update(x):
    return x


FAULTS = (cpu_tensor, array, item, host_list, truth_in_a_hook, dtype_of_bfloat16, wait_after_the_update)


def plant(network, fault):
    """Let the network's last module do `fault` to what it makes."""
    last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    last.register_forward_hook(lambda _module, _given, out: fault(out))


# ---- what is seen of them


def seen(model, settings, launch="eager", resident=True, fault=None, kernels="torch"):
    """Faults, launches a step, whether a graph was recorded, and memory of a training's steady steps."""
    prefetch.fits = lambda *_: resident
    network = network_of(Model(**model), 3, settings)
    initialise(network, 0)
    handle = None
    if fault is not None:
        plant(network, fault)
    if fault is wait_after_the_update:
        handle = optimizers.register_optimizer_step_post_hook(lambda *_: torch.cuda.synchronize())
    step = [0]

    def count():
        step[0] += 1
        if step[0] == STEADY:
            torch.cuda.synchronize()
            stand_in_log.keep()
        return step[0] == STEPS

    began = time.process_time()
    context = TrainingContext(settings, 0, GPU, Hooks(should_stop=count), launch=launch, kernels=kernels)
    try:
        fit(network, photographs(7, 40), context)
    except StoppedError:
        events = stand_in_log.kept()
    except (InputError, RuntimeError, TypeError) as error:
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
    finally:
        if handle is not None:
            handle.remove()
    faults = stand_in_log.faults(events)
    if not resident:  # what keeps the host from running ahead by more than some batches
        faults.pop("wait: cudaEventSynchronize", None)
    return {
        "faults": faults,
        "launches": stand_in_log.launches(events) / (STEPS - STEADY),
        "kinds": Counter(event.kind for event in events),
        "replays": sum(event.kind == "replay" for event in events),
        "seconds": time.process_time() - began,
    }


def main(names):
    """Each name is "MODEL/SETTINGS/LAUNCH [KERNELS]/resident or host", or "planted/FAULT"."""
    torch.cuda.init()
    found = {}
    for name in names:
        model, settings, *more = name.split("/")
        if model == "planted":
            fault = next(fault for fault in FAULTS if fault.__name__ == settings)
            found[name] = seen(MODELS["v3"], TRAIN, fault=fault)
        else:
            (launch, _, kernels), where = more[0].partition(" "), more[1]
            resident = where == "resident"
            found[name] = seen(MODELS[model], SETTINGS[settings], launch, resident, kernels=kernels or "torch")
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
