"""State dicts from files: tensors only, out of whatever they are wrapped in."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from repro.errors import InputError
from repro.nets.weight_files import kind

CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net")
"""Entries of a training's checkpoint that hold the network's state dict, the likeliest first."""
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "encoder.", "backbone.")
"""What wrappers put before every name: data parallel and compiled networks, networks held by others."""
LAST_LAYER = ("head.fc.weight", "head.fc.bias", "fc.weight", "fc.bias")
"""What a classifier has beside its backbone, where only the latter is wrapped (mmpretrain)."""


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file or a PyTorch file (tensors only: no code of the file's is run).

    `CONTAINERS` and `PREFIXES` are taken off. Raises InputError where there is none, or where a number is none.
    """
    state = _unwrapped(_loaded(path))
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no state dict (names and tensors). Save `model.state_dict()`.")
    named = without_prefixes({str(key): value for key, value in state.items()})
    for name, value in named.items():
        if value.is_quantized or value.layout != torch.strided:
            raise InputError(f"{path}: {name} is quantised or sparse. Give plain weights in floating point.")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InputError(f"{path}: {name} holds NaN or infinite numbers. Download the file again.")
    return named


def without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names without what stands before all of them; a classifier's last layer may stand beside its backbone."""
    for prefix in PREFIXES:
        others = [key for key in state if not key.startswith(prefix)]
        if len(others) < len(state) and all(prefix == "backbone." and key in LAST_LAYER for key in others):
            return without_prefixes({key.removeprefix(prefix): value for key, value in state.items()})
    return state


def _loaded(path: Path) -> object:
    if path.is_file():
        _check_not_packed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a damaged file; that it is one is told below
            if path.suffix == ".safetensors":
                return load_file(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except Exception as error:  # torch, pickle and safetensors fail in as many ways as a file can be damaged
        what = f": it is {kind(path)}" if kind(path) else ""
        if "weights_only" in str(error) or "UnpicklingError" in type(error).__name__:
            # torch's own words advise to run what the file holds
            raise InputError(
                f"{path}: damaged, or holds more than tensors, which is not loaded{what}. Download the file again, or "
                "save the tensors alone as .safetensors."
            ) from error
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not readable as weights{what} ({reason}). Download the file again.") from error


def _check_not_packed(path: Path) -> None:
    """InputError for a file that unpacks into more than its own size: torch.save packs nothing, a bomb does."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception:  # no archive, or a damaged one (zipfile has many ways to say so): whoever loads it tells
        return
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InputError(f"{path}: packed in a way that torch.save does not. Save the tensors again with torch.save.")


def _unwrapped(state: object) -> object:
    while isinstance(state, dict):
        inner = next((state[name] for name in CONTAINERS if isinstance(state.get(name), dict)), None)
        if inner is None:
            break
        state = inner
    return state
