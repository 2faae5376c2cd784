"""The benchmarks that run on a GPU, on the stand-in, whose times mean nothing. Prints their rows' names and notes."""

import importlib
import json
import sys

import stand_in_steps

from repro.commands.bench import _package, located
from repro.run.device import torch_device
from repro.spec.protocol import Model


def main(names):
    device = "cuda"  # as where nobody counted the GPUs
    torch_device(device)
    package = _package(located())
    step = importlib.import_module(f"{package}.step")
    narrow = Model(**{**stand_in_steps.MODELS["v3"], "dropout": 0.0})
    step.OURS.update(dict.fromkeys(step.OURS, narrow))
    step.LIKE_SMP.update(dict.fromkeys(step.LIKE_SMP, narrow))
    step.settings = lambda _device: (65, 4)
    step.launch_modes = lambda _device: ("eager", "captured")
    evaluate = importlib.import_module(f"{package}.evaluate")
    run = {
        "evaluate": lambda: evaluate.inference(device, 65, 2)[0],  # counting compares numbers, and there are none
        "step": lambda: step.rows(device, 65, 4),
        **{
            name: lambda name=name: importlib.import_module(f"{package}.{name}").bench(device)
            for name in ("rate", "input")
        },
    }
    importlib.import_module(f"{package}.rate").settings = importlib.import_module(f"{package}.input").settings = (
        step.settings
    )
    print(json.dumps({name: {row.name: row.note for row in run[name]()} for name in names}))


if __name__ == "__main__":
    main(sys.argv[1:])
