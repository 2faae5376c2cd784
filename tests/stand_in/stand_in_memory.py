"""A training and an evaluation short of memory on the stand-in, with graphs and without. Prints what came of it."""

import gc
import json

import stand_in_log
import torch
from stand_in_steps import GPU, MODELS, TRAIN, photographs

from repro.spec.protocol import Model
from repro.train import prefetch
from repro.train.context import Hooks, TrainingContext
from repro.train.loop import StoppedError, fit
from repro.train.training import network_of

SETTINGS = TRAIN.model_copy(update={"crop": 257, "batch_size": 16})


def tried(settings, launch):
    """How a training of six steps ends, and the most memory that it took."""
    gc.collect()
    torch.cuda.empty_cache()
    stand_in_log.peak(reset=True)
    step = [0]

    def count():
        step[0] += 1
        return step[0] == 6

    network = network_of(Model(**{**MODELS["v3"], "width": 64, "stem_width": 64}), 3, settings)
    try:
        fit(network, photographs(7, 40), TrainingContext(settings, 0, GPU, Hooks(should_stop=count), launch=launch))
    except StoppedError:
        return "done", stand_in_log.peak()
    except torch.OutOfMemoryError:
        return "out of memory", stand_in_log.peak()


def main():
    prefetch.fits = lambda *_: True
    found = {}
    for launch in ("eager", "captured"):
        found[launch], most = tried(SETTINGS, launch)
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(0.6 * most / total)
        found[f"{launch}, short"], _ = tried(SETTINGS, launch)
        found[f"{launch}, micro-batches"], _ = tried(SETTINGS.model_copy(update={"micro_batch": 4}), launch)
        torch.cuda.set_per_process_memory_fraction(1.0)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
