"""Backbones and heads by name: registered where they are written, imported where they are built.

`@register_backbone("resnet50", units=(3, 4, 6, 3))` declares the facts that are needed without torch: the fields of
`repro.spec.parts.BackboneFacts` and `HeadFacts`. They are read from the source, so they are plain literals. Several may
stand above one class. What the class or function has parameters for, it is given by name: `output_stride` and settings
of `model`, a head also `channels`, `low_channels` and `classes`; `model` is all settings at once, and what is heeded of
them is then declared as `settings`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from repro.errors import InputError
from repro.nets.backbone import Backbone
from repro.spec.parts import BackboneFacts, HeadFacts, NetworkPart, part
from repro.spec.protocol import Model

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])


def register_backbone(name: str, **facts: Any) -> Callable[[Builder], Builder]:  # noqa: ARG001
    """Declare a class or function that makes a `Backbone`. Raises TypeError for a fact that there is not."""
    BackboneFacts.of(facts)
    return lambda builder: builder


def register_head(name: str, **facts: Any) -> Callable[[Builder], Builder]:  # noqa: ARG001
    """Declare a class or function that makes a head: Features -> logits. Raises TypeError for an unknown fact."""
    HeadFacts.of(facts)
    return lambda builder: builder


def build_backbone(model: Model, output_stride: int, seed: int = 0) -> Backbone:
    """The backbone that `model` describes.

    Raises ValueError where it cannot make `output_stride`, InputError for one of the user's that cannot be used.
    """
    entry = part("backbone", model.backbone)
    network = _built(entry, model, seed, output_stride=output_stride)
    if not isinstance(network, Backbone) or not isinstance(getattr(network, "channels", None), int):
        raise InputError(
            f"model.backbone: {entry.name} returned {type(network).__name__}; a repro.nets.backbone.Backbone with its "
            "number of channels is needed."
        )
    network.model, network.output_stride = model, output_stride
    if lacking := [level for level in model.decoder if level not in network.low_channels]:
        raise InputError(f"model.backbone: {entry.name} has no low_channels for {lacking[0]}, which it taps.")
    return network


def build_head(model: Model, backbone: Backbone, classes: int, output_stride: int, seed: int = 0) -> nn.Module:
    """The head that `model` describes, for a backbone. Raises InputError for one of the user's that cannot be used."""
    entry = part("head", model.head)
    given = {"channels": backbone.channels, "low_channels": backbone.low_channels, "classes": classes}
    head = _built(entry, model, seed, output_stride=output_stride, **given)
    if not isinstance(head, nn.Module):
        raise InputError(f"model.head: {entry.name} returned {type(head).__name__}; a torch.nn.Module is needed.")
    return head


def _built(entry: NetworkPart, model: Model, seed: int, **given: Any) -> object:
    offered = {name: getattr(model, name) for name in Model.model_fields} | given | {"model": model}
    arguments = {name: offered[name] for name in entry.parameters.names if name in offered}
    builder = imported(f"model.{entry.kind}", entry.name, entry.module, entry.function, entry.package.parent)
    if not entry.own:
        return builder(**arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return builder(**arguments)
        except Exception as error:
            settings = ", ".join(f"{key}={value!r}" for key, value in arguments.items() if key != "model")
            raise InputError(
                f"model.{entry.kind}: {entry.name} called with {settings} failed: {error_text(error)}."
            ) from error


def imported(key: str, name: str, module: str, function: str, home: Path) -> Callable[..., object]:
    """What a module calls `function`; `home` is the folder that must be on Python's path.

    `key` and `name` are what messages call it. Raises InputError where it cannot be imported or is none.
    """
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    try:
        value = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise InputError(f"{key}: {name} cannot be imported: {error_text(error)}.") from error
    if not callable(value):
        raise InputError(f"{key}: {name} is a {type(value).__name__}, not a function.")
    return value  # type: ignore[no-any-return]


def error_text(error: Exception) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
