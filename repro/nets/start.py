"""Starting a network from another segmentation training: MS-COCO (v2, v3, v3+), or the first of two stages (v3)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def start_from_segmentation(network: nn.Module, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Load a segmentation network's weights into `network`, by name.

    A classifier for another number of classes is left out: the network's own keeps its start; the names of what was
    left out are returned. Raises ValueError where anything else is missing, left over or of another shape.
    """
    own = network.state_dict()
    differing = [k for k in own if k in state and state[k].shape != own[k].shape]
    left_out = tuple(k for k in differing if "classifier" in k.split("."))
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    wrong = [k for k in differing if k not in left_out]
    if missing or unexpected or wrong:
        mismatch = f"missing {missing[:3]}, unexpected {unexpected[:3]}, of another shape {wrong[:3]}"
        raise ValueError(f"the training to start from has another network: {mismatch}")
    network.load_state_dict({k: own[k] if k in left_out else state[k] for k in own})
    return left_out
