"""ImageNet weights put into a backbone, and the refusal of those that do not fit with the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from repro.errors import InputError
from repro.nets import foreign
from repro.nets.backbone import Backbone
from repro.nets.deeplab import DeepLab
from repro.nets.registry import build_backbone
from repro.nets.state_dicts import read
from repro.spec.parts import backbone_facts
from repro.spec.protocol import Model


def load_backbone(network: DeepLab | Backbone, state: Mapping[str, Tensor], source: str, seed: int = 0) -> None:
    """Load an ImageNet classifier's state dict into a backbone, by name; blocks 5 to 7 become copies of block4.

    `source` is what messages call the state dict (the file); `seed` decides which filters of VGG-16's fc6 and fc7 are
    kept. Raises InputError where the state dict is another network's, or incomplete, or of another shape.
    """
    backbone = network.backbone if isinstance(network, DeepLab) else network
    backbone.load_state_dict(fitting(backbone, state, source, seed), strict=False)
    backbone.complete()


def check_file(path: Path, networks: Iterable[tuple[Model, int]]) -> None:
    """InputError where a file of weights cannot be read, or does not fit one of these networks (model, output stride).

    Networks are made without memory, and those of the same parameters are tried once.
    """
    state = read(path)
    tried: set[tuple[tuple[str, tuple[int, ...]], ...]] = set()
    for model, output_stride in networks:
        try:
            with torch.device("meta"):
                backbone = build_backbone(model, output_stride)
        except ValueError as error:
            raise InputError(f"train.output_stride: {error}. Ask for fewer strides or more blocks.") from error
        parameters = tuple((name, tuple(value.shape)) for name, value in backbone.state_dict().items())
        if parameters not in tried:
            tried.add(parameters)
            fitting(backbone, state, str(path))


def fitting(backbone: Backbone, state: Mapping[str, Tensor], source: str, seed: int = 0) -> dict[str, Tensor]:
    """A classifier's state dict in the backbone's own names; the backbone may lie on the meta device. InputError."""
    name = backbone.model.backbone
    wanted = backbone_facts(name).takes_weights_of or name
    if foreign.segmentation(state) or not backbone.recognises(state):
        raise InputError(
            f"{source}: these are {foreign.what(state)}; this backbone takes the ImageNet weights of {wanted}."
        )
    whole = [k for k, v in state.items() if not v.is_floating_point() and not k.endswith("num_batches_tracked")]
    if whole:
        dtype = str(state[whole[0]].dtype).removeprefix("torch.")
        raise InputError(f"{source}: {_some(whole)} are {dtype}. Give weights in floating point, as they were trained.")
    try:
        own = backbone.converted(state, source, seed)
    except ValueError as error:
        raise InputError(f"{source}: {error}.") from error
    _check(backbone, own, source, wanted)
    return own


def _check(backbone: Backbone, own: dict[str, Tensor], source: str, wanted: str) -> None:
    """Refuse what is missing, left over or of another shape. Counters of batches may be absent (old files)."""
    entries = backbone.state_dict()
    expected = {k: v for k, v in entries.items() if not k.endswith("num_batches_tracked")}
    missing = [k for k in expected if k not in own and not k.startswith(backbone.files_lack)]
    unexpected = [k for k in own if k not in expected and not k.endswith("num_batches_tracked")]
    wrong = [k for k in entries if k in own and own[k].shape != entries[k].shape]
    if missing or unexpected:
        problems = [f"missing {_some(missing)}"] if missing else []
        problems += [f"unexpected {_some(unexpected)}"] if unexpected else []
        raise InputError(
            f"{source}: does not fit the backbone: {', '.join(problems)}. It takes the weights of {wanted}."
        )
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{source}: {_some(wrong)} have another shape ({tuple(own[name].shape)} in the file, "
            f"{tuple(entries[name].shape)} in the network). Weights of {wanted} fit the papers' widths only; narrow "
            "networks start from train.start=presence or random."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
