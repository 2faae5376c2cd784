"""ImageNet weights put into a backbone, and the refusal of those that do not fit with the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from repro.errors import InputError
from repro.nets import foreign, translate
from repro.nets.deeplab import Backbone, DeepLab, build_backbone
from repro.nets.resnet import ResNet
from repro.nets.state_dicts import read
from repro.nets.vgg import VGG16
from repro.nets.xception import Xception
from repro.spec.protocol import Model

WANTED: dict[type, tuple[translate.Kind, str]] = {
    ResNet: ("resnet", "torchvision's resnet50 or resnet101"),
    VGG16: ("vgg", "torchvision's vgg16 (vgg16_bn with model.vgg_batch_norm=true)"),
    Xception: ("xception", "timm's xception65 or xception71"),
}


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
    kind, wanted = WANTED[type(backbone)]
    if foreign.segmentation(state) or translate.kind_of(state) != kind:
        raise InputError(
            f"{source}: these are {foreign.what(state)}; this backbone takes the ImageNet weights of {wanted}."
        )
    whole = [k for k, v in state.items() if not v.is_floating_point() and not k.endswith("num_batches_tracked")]
    if whole:
        dtype = str(state[whole[0]].dtype).removeprefix("torch.")
        raise InputError(f"{source}: {_some(whole)} are {dtype}. Give weights in floating point, as they were trained.")
    try:
        own = _translated(backbone, state, source, seed)
    except ValueError as error:
        raise InputError(f"{source}: {error}.") from error
    _check(backbone, own, source, wanted)
    return own


def _translated(backbone: Backbone, state: Mapping[str, Tensor], source: str, seed: int) -> dict[str, Tensor]:
    model = backbone.model
    if isinstance(backbone, VGG16):
        convs = (*model.units, model.units[3])
        return translate.from_vgg(state, convs, len(backbone.branches), model.fc_kernel, model.fc_channels, seed)
    if isinstance(backbone, Xception):
        return translate.from_xception(state)
    _check_resnet(backbone, state, source)
    return translate.from_resnet(state)


def _check_resnet(backbone: ResNet, state: Mapping[str, Tensor], source: str) -> None:
    """Refuse another kind of ResNet, another stem, another depth."""
    model = backbone.model
    if other := foreign.resnet_kind(state):
        raise InputError(
            f"{source}: {other}. The papers' is plain: give torchvision's or timm's resnet50 or resnet101."
        )
    stem = translate.stem_of(state)
    sides = [tuple(state[f"{conv}.weight"].shape[2:]) for conv, _ in stem]
    if sides not in ([(7, 7)], [(3, 3)] * 3):
        told = " and ".join(f"{side[0]}x{side[1]}" for side in sides if len(side) == 2) or "not to be recognised"
        raise InputError(f"{source}: this ResNet's stem is {told}, neither one 7x7 convolution nor three 3x3.")
    if model.stem == "beta" and len(stem) == 1:
        raise InputError(
            f"{source}: this ResNet's stem is one 7x7 convolution, the network's is three 3x3 (model.stem=beta, the "
            f"paper's). timm's resnet{sum(model.units) * 3 + 2}s has that stem (--weights hub fetches it); to use "
            "torchvision's weights, set model.stem=conv7 and model.stride_at=first_unit."
        )
    if model.stem == "conv7" and len(stem) > 1:
        raise InputError(f"{source}: this ResNet's stem is three 3x3 convolutions. Set model.stem=beta.")
    widths = [int(state[f"{conv}.weight"].shape[0]) for conv, _ in stem]
    own = [model.stem_width, model.stem_width, 2 * model.stem_width][-len(stem) :] if len(stem) > 1 else []
    if own and widths != own and widths == [widths[0], widths[0], 2 * widths[0]]:
        raise InputError(
            f"{source}: this ResNet's stem has {', '.join(map(str, widths))} filters, the network's "
            f"{', '.join(map(str, own))}, the papers'. --set model.stem_width={widths[0]} takes it, as a departure."
        )
    if (units := translate.resnet_units(state)) != model.units:
        raise InputError(
            f"{source}: a ResNet with {units} units in its blocks; model.units is {model.units}. Use weights of the "
            "same depth: resnet50 has (3, 4, 6, 3), resnet101 has (3, 4, 23, 3)."
        )


def _check(backbone: Backbone, own: dict[str, Tensor], source: str, wanted: str) -> None:
    """Refuse what is missing, left over or of another shape. Counters of batches may be absent (old files)."""
    entries = backbone.state_dict()
    expected = {k: v for k, v in entries.items() if not k.endswith("num_batches_tracked")}
    elsewhere = backbone.starts_elsewhere if isinstance(backbone, ResNet) else ()
    missing = [k for k in expected if k not in own and not k.startswith(elsewhere)]
    unexpected = [k for k in own if k not in expected and not k.endswith("num_batches_tracked")]
    wrong = [k for k in entries if k in own and own[k].shape != entries[k].shape]
    if missing or unexpected:
        told = [f"missing {_some(missing)}"] if missing else []
        told += [f"unexpected {_some(unexpected)}"] if unexpected else []
        raise InputError(f"{source}: does not fit the backbone: {', '.join(told)}. It takes the weights of {wanted}.")
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{source}: {_some(wrong)} have another shape ({tuple(own[name].shape)} in the file, "
            f"{tuple(entries[name].shape)} in the network). Weights of {wanted} fit the papers' widths only; narrow "
            "networks start from train.start=presence or random."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
