"""A network that somebody else trained, taken as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from repro.errors import InputError
from repro.nets.implementation import OwnNetwork
from repro.nets.state_dicts import read
from repro.plan.work import Training
from repro.train.loop import BatchLayout, TrainingCurve
from repro.train.training import Trained, network_of

NAMED = 3
"""So many tensors are named in a message."""


def given(training: Training, path: Path | None) -> Trained:
    """The network of a training that has nothing to train, with the weights of `path` or as its function returns it.

    Raises InputError where they do not fit.
    """
    network = network_of(training.model, training.images.data.classes, training.settings, training.seed)
    if path is not None:
        load(network, read(path), path)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    parameters = sum(p.numel() for p in network.parameters())
    return Trained(state, TrainingCurve(), 0.0, 0.0, parameters, [BatchLayout(0, 1, 1)])


def load(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put a state dict into a network, every tensor of it. Raises InputError that names what does not fit."""
    inner = network.network if isinstance(network, OwnNetwork) else network
    own = inner.state_dict()
    missing = sorted(own.keys() - state.keys())
    left = sorted(state.keys() - own.keys())
    shapes = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    wrong = [_named("lacks", missing), _named("has in excess", left), _named("has in other shapes", shapes)]
    if any(wrong):
        raise InputError(
            f"{path}: these are not the weights of this network: the file {', '.join(part for part in wrong if part)}. "
            "Give the network that was trained: --set model.implementation=module:function, or the table's cells with "
            "--only."
        )
    inner.load_state_dict(dict(state))


def check_trained(trainings: Sequence[Training], path: Path) -> None:
    """Try the weights of a file on every network that is to have them, before anything is computed."""
    state = read(path)
    for training in trainings:
        network = network_of(training.model, training.images.data.classes, training.settings, training.seed)
        load(network, state, path)


def _named(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return f"{what} {', '.join(keys[:NAMED])}{more}"
