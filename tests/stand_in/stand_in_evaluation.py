"""Evaluations on the stand-in: what their batches ask of a device. Prints {strategy: what was seen} as JSON.

Without the CRF: how large its lattices are follows from computed values, and there are none.
"""

import json
import sys

import numpy as np
import stand_in_log
import torch
from stand_in_steps import MODELS, photographs

from repro.evaluate.measure import measure
from repro.nets.deeplab import build
from repro.nets.init import initialise
from repro.spec.protocol import Evaluate, Model

PLAIN = {"canvas": (33, 33), "batch_size": 2}
STRATEGIES = {
    "plain": [PLAIN],
    "scales and flip": [{**PLAIN, "scales": (0.5, 1.0, 1.5), "flip": True}],
    "windows": [{**PLAIN, "window": (17, 17), "window_stride": (8, 8)}],
    "trimaps": [{**PLAIN, "trimap_px": width} for width in (1, 3)],
    "smaller images": [{**PLAIN, "canvas": (49, 49), "scales": (0.75, 1.0), "rescale": "image"}],
}


def seen(strategy):
    """Of two batches in the middle: faults, launches each, and whether a normalisation was left."""
    model = Model(**MODELS["v3+"])
    network = build(model, 3, 16)
    initialise(network, 0)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calls, events = [0], []

    def count():  # before each batch
        calls[0] += 1
        if calls[0] == 2:
            stand_in_log.keep()
        elif calls[0] == 4:
            events.extend(stand_in_log.kept())
        return False

    evaluates = [Evaluate(**settings) for settings in STRATEGIES[strategy]]
    found = measure(model, 3, evaluates, state, photographs(8, 33), torch.device("cuda"), should_stop=count)
    assert [np.shape(one.matrices) for one in found] == [(8, 3, 3)] * len(evaluates)
    return {
        "faults": stand_in_log.faults(events),
        "launches": stand_in_log.launches(events) / 2,
        "normalisations": sum("batch_norm" in e.name or e.kind == "normalisation" for e in events),
    }


if __name__ == "__main__":
    print(json.dumps({name: seen(name) for name in sys.argv[1:]}))
