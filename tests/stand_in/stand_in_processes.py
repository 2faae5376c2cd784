"""One of two processes that train together over the stand-in's NCCL. Prints what its steady steps asked, as JSON."""

import json
import sys
import warnings
from datetime import timedelta

import stand_in_log
import torch
from stand_in_steps import MODELS, SETTINGS, photographs
from torch import distributed

from repro.nets.init import initialise
from repro.spec.protocol import Model
from repro.train.context import Hooks, TrainingContext
from repro.train.distributed import process_group
from repro.train.loop import StoppedError, fit
from repro.train.training import network_of

STEADY, STEPS = 13, 16
"""Steps before the log is kept, and all of them; DistributedDataParallel takes the time of its first ten."""


def main(rank, port, model, settings):
    device = torch.device(f"cuda:{rank}")
    torch.cuda.set_device(device)
    step = [0]

    def count():
        step[0] += 1
        if step[0] == STEADY:
            torch.cuda.synchronize()
            stand_in_log.keep()
        return step[0] == STEPS

    with warnings.catch_warnings(record=True) as met, process_group(device, rank, 2, port) as dist:
        warnings.simplefilter("always")
        network = network_of(Model(**MODELS[model]), 3, SETTINGS[settings])
        initialise(network, 0)
        context = TrainingContext(SETTINGS[settings], 0, device, Hooks(should_stop=count), dist)
        try:
            fit(network, photographs(7, 40), context)
        except StoppedError:
            events = stand_in_log.kept()
    print(
        json.dumps(
            {
                "faults": stand_in_log.faults(events),
                "launches": stand_in_log.launches(events) / (STEPS - STEADY),
                "collectives": sum(event.kind == "collective" for event in events) / (STEPS - STEADY),
                "warnings": [str(one.message) for one in met],
            }
        )
    )


if __name__ == "__main__":
    number, at = int(sys.argv[1]), int(sys.argv[2])
    if number == 0:
        store = distributed.TCPStore(
            "127.0.0.1", at, is_master=True, timeout=timedelta(minutes=2), wait_for_workers=False
        )
    main(number, at, *sys.argv[3:])
