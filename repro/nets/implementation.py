"""Somebody's own network in this suite's trainings and evaluations: see docs/extending.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from repro.errors import InputError
from repro.nets.registry import error_text, imported
from repro.spec.implementation import locate
from repro.spec.protocol import Model


class OwnNetwork(nn.Module):
    """(N, 3, H, W) float32 -> logits (N, classes, h, w), whatever of the usual forms the network answers in.

    Those are a tensor; a mapping with the logits as "out" (torchvision's); a sequence whose first entry they are.
    """

    def __init__(self, network: nn.Module, model: Model, classes: int) -> None:
        super().__init__()
        self.network = network
        self.model = model
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        return check_logits(_logits(self.network(x)), x, self.model, self.classes)


class PresenceOfOwn(nn.Module):
    """(N, 3, H, W) -> (N, classes): the mean over positions of an own network's logits.

    The pre-training of small scales for networks that this suite knows nothing of.
    """

    def __init__(self, segmenter: OwnNetwork) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, x: Tensor) -> Tensor:
        return self.segmenter(x).mean(dim=(2, 3))  # type: ignore[no-any-return]


def check_logits(logits: object, x: Tensor, model: Model, classes: int) -> Tensor:
    """Return the logits that a network made of images `x`. Raises InputError for what is no (N, classes, h, w)."""
    if not isinstance(logits, Tensor) or logits.dim() != 4 or logits.shape[:2] != (x.shape[0], classes):
        key, name = model.own or ("model", "the network")
        got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else "no tensor"
        raise InputError(
            f"{key}: {name} gave {got} for images {tuple(x.shape)}; logits (N, {classes}, h, w) are needed. "
            f"`repro check-network {name.partition(' ')[0]}` says more."
        )
    return logits


def _logits(answer: Any) -> Tensor | None:
    if isinstance(answer, Mapping):
        answer = answer.get("out")
    elif isinstance(answer, Sequence) and len(answer):
        answer = answer[0]
    return answer if isinstance(answer, Tensor) else None


def settings_of(model: Model) -> dict[str, Any]:
    """Return the settings of `model` that its implementation takes."""
    own = locate(model.implementation or "")
    return {name: getattr(model, name) for name in Model.model_fields if own.takes(name)}


def build_own(model: Model, classes: int, output_stride: int, seed: int = 0) -> OwnNetwork:
    """Build the network that `model.implementation` names, its random weights drawn from `seed`.

    Raises InputError where its module cannot be imported or the function fails.
    """
    name = model.implementation or ""
    where = locate(name)
    function = imported("model.implementation", name, where.module, where.function, where.home)
    given = settings_of(model) | {"output_stride": output_stride} | ({where.classes: classes} if where.classes else {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network = function(**given)
        except Exception as error:
            arguments = ", ".join(f"{key}={value!r}" for key, value in given.items())
            raise InputError(
                f"model.implementation: {name} called with {arguments} failed: {error_text(error)}."
            ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"model.implementation: {name} returned {type(network).__name__}; a torch.nn.Module is needed."
        )
    return OwnNetwork(network, model, classes)


def start_own(network: OwnNetwork, pretrained: Mapping[str, Tensor]) -> None:
    """Load the network of a pre-training. Raises ValueError where it is another one."""
    state = {k.removeprefix("segmenter."): v for k, v in pretrained.items() if k.startswith("segmenter.")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"the pre-training does not fit this network: {error_text(error)}") from error
