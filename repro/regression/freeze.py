"""Make a table's frozen weights, from trainings that a store has."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from repro.errors import InputError
from repro.regression.baseline import FrozenTable
from repro.regression.frozen import FrozenState, States, frozen
from repro.regression.observe import network_of
from repro.regression.probe import Probe
from repro.run.compute import load_weights
from repro.store.store import Store

ParameterNames = dict[str, tuple[str, ...]]
"""Probe -> where its weights are."""


def freeze(probes: Sequence[Probe], store: Store) -> tuple[dict[str, Tensor], ParameterNames]:
    """A state for each kind of network, which is what has the same parameters; and each probe's place in the file.

    Networks that are evaluated come first: the others keep what these lack.
    """
    kinds: dict[ParameterShapes, str] = {}
    states: dict[str, FrozenState] = {}
    tensors: dict[str, Tensor] = {}
    names: ParameterNames = {}
    for probe in sorted(probes, key=lambda item: item.kind):  # stable: evaluations, then steps
        kind = _kind(network_of(probe).state_dict())
        if kind not in kinds:
            kinds[kind] = name = probe.name.replace(": evaluation", "").replace(": step", "")
            state = load_weights(store, probe.training.key)
            shared = () if probe.kind == "evaluation" else tuple(states.values())
            tensors |= frozen(name, state, shared)
            if probe.kind == "evaluation":
                states[name] = state
        own = kinds[kind]
        names[probe.name] = (own,) if own in states else (own, *states)
    return tensors, names


ParameterShapes = tuple[tuple[str, tuple[int, ...]], ...]


def _kind(state: FrozenState) -> ParameterShapes:
    """Names and shapes of everything that a network remembers."""
    return tuple((name, tuple(tensor.shape)) for name, tensor in state.items())


def names_if_fitting(probes: Sequence[Probe], old: FrozenTable, states: States) -> ParameterNames | None:
    """Each probe's place in a file that there is already; None where it lacks one, or its weights do not fit."""
    names = {}
    try:
        for probe in probes:
            known = old.probe(probe.name)
            names[probe.name] = known.states if known else ()
            states.state(names[probe.name], network_of(probe).state_dict())
    except InputError:
        return None
    return names
