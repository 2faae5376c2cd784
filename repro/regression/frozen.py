"""Frozen weights: what a baseline's steps and evaluations start from on every machine.

Trained weights, with those of convolutions and linear layers in 8 bits: each tensor is a whole number from -127 to 127
times a power of two, so that every machine reads the same float32 numbers, and a narrow network takes a few hundred kB.
A network that is no longer quite the trained one serves as well: nobody reports its score.

One safetensors file for each table. Tensors are called "state/parameter"; a state that nobody evaluates keeps only
what no other state has under the same name and in the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from repro.errors import InputError

STEPS = 127
_POWER = "@power"
FrozenState = Mapping[str, Tensor]


@dataclass(frozen=True)
class States:
    """All states of a table: "state/parameter" -> tensor, as they lie in the file."""

    tensors: Mapping[str, Tensor]

    def state(self, names: Sequence[str], wanted: FrozenState) -> dict[str, Tensor]:
        """The tensors that a network of state dict `wanted` has, each from the first of `names` that has it.

        Raises InputError where none has one of that shape: the network is another than when the baseline was made.
        """
        state: dict[str, Tensor] = {}
        for key, own in wanted.items():
            tensors = (self._thawed(f"{name}/{key}") for name in names)
            tensor = next((t for t in tensors if t is not None and t.shape == own.shape), None)
            if tensor is None:
                raise InputError(f"frozen weights: none for {key} of shape {list(own.shape)}")
            state[key] = tensor.to(own.dtype)
        return state

    def _thawed(self, key: str) -> Tensor | None:
        tensor = self.tensors.get(key)
        if tensor is None or tensor.dtype != torch.int8:
            return tensor
        return tensor.float() * 2.0 ** int(self.tensors[key + _POWER])


def frozen(name: str, state: FrozenState, others: Sequence[FrozenState] = ()) -> dict[str, Tensor]:
    """A state dict as it is kept; what one of `others` has under the same name and in the same shape is left out."""
    kept: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if any(key in other and other[key].shape == tensor.shape for other in others):
            continue
        if tensor.dim() < 2 or not tensor.is_floating_point():
            kept[f"{name}/{key}"] = tensor.clone().contiguous()
            continue
        largest = float(tensor.abs().max()) if tensor.numel() else 0.0
        power = math.ceil(math.log2(largest / STEPS)) if largest > 0 else 0
        kept[f"{name}/{key}"] = (tensor.double() / 2.0**power).round().to(torch.int8).contiguous()
        kept[f"{name}/{key}{_POWER}"] = torch.tensor(power, dtype=torch.int16)
    return kept


def encode(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of a file of states."""
    return safetensors.torch.save(dict(tensors))


def load(path: Path, remedy: str = "") -> States:
    """Read a file of states. Raises InputError where there is none, or it is not one; `remedy`: what to do."""
    try:
        stat = path.stat()
        return _loaded(path, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        raise InputError(f"{path}: the baseline's frozen weights are not there. {remedy}") from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}). {remedy}") from None


@lru_cache(maxsize=4)
def _loaded(path: Path, _changed: int, _size: int) -> States:
    """A worker reads a table's file once for all that starts from it."""
    return States(safetensors.torch.load_file(path))
