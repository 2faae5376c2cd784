"""ImageNet weights from files: reading them, and refusing those that do not fit with the reason and the remedy."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from repro.errors import InputError
from repro.nets import translate
from repro.nets.deeplab import DeepLab
from repro.nets.resnet import ResNet
from repro.nets.vgg import VGG16
from repro.nets.xception import Xception

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
FULL_NAMES: dict[type, tuple[translate.Kind, str]] = {
    ResNet: ("resnet", "torchvision's resnet50 or resnet101"),
    VGG16: ("vgg", "torchvision's vgg16 (or vgg16_bn with model.vgg_batch_norm=true)"),
    Xception: ("xception", "timm's xception65 or xception71"),
}


def find(folder_or_file: Path, backbone: str) -> Path:
    """The weight file for `backbone`: the path itself, or the one file in the folder whose name begins with it.

    Raises InputError where there is none or more than one.
    """
    if folder_or_file.is_file():
        return folder_or_file
    if not folder_or_file.is_dir():
        raise InputError(f"{folder_or_file}: no such file or folder; expected ImageNet weights for {backbone}.")
    found = sorted(p for p in folder_or_file.iterdir() if p.suffix in SUFFIXES and p.name.lower().startswith(backbone))
    if len(found) == 1:
        return found[0]
    if not found:
        wanted = ", ".join(f"{backbone}*{s}" for s in SUFFIXES)
        raise InputError(f"{folder_or_file}: no weights for {backbone} here; put one file named {wanted} into it.")
    names = ", ".join(p.name for p in found)
    raise InputError(f"{folder_or_file}: several files for {backbone} ({names}); name the file itself.")


def read(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file or a PyTorch file (tensors only: no code of the file's is run).

    A dict under "state_dict" or "model" and a leading "module." in names are unwrapped. Raises InputError.
    """
    try:
        if path.suffix == ".safetensors":
            state: object = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: not readable as weights ({reason}). Download the file again.") from error
    for wrapped in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapped), dict):
            state = state[wrapped]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no state dict (names and tensors). Save `model.state_dict()`.")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def load_backbone(
    network: DeepLab | ResNet | VGG16 | Xception, state: Mapping[str, Tensor], source: str, seed: int = 0
) -> None:
    """Load an ImageNet classifier's state dict into a backbone, by name; blocks 5 to 7 become copies of block4.

    `source` is what messages call the state dict (the file); `seed` decides which filters of VGG-16's fc6 and fc7 are
    kept. Raises InputError where the state dict is another network's, or incomplete, or of another shape.
    """
    backbone = network.backbone if isinstance(network, DeepLab) else network
    kind, wanted = FULL_NAMES[type(backbone)]
    found = translate.kind_of(state)
    if found != kind:
        what = {"unknown": "weights of an unknown network", "own": "weights of one of this suite's networks"}
        told = what.get(found, f"{found} weights")
        raise InputError(f"{source}: these are {told}; this backbone takes those of {wanted}.")
    own = _translated(backbone, state, source, seed)
    _check(backbone, own, source, wanted)
    backbone.load_state_dict(own, strict=False)
    backbone.complete()


def _translated(
    backbone: ResNet | VGG16 | Xception, state: Mapping[str, Tensor], source: str, seed: int
) -> dict[str, Tensor]:
    if isinstance(backbone, ResNet):
        deep, has_deep = len(backbone.stem) == 3, "conv1.0.weight" in state
        if deep and not has_deep:
            raise InputError(
                f"{source}: this ResNet has a 7x7 convolution in its stem, the network three 3x3 (model.stem=beta, the paper's). "
                "Set model.stem=conv7 and model.stride_at=first_unit to use torchvision's weights."
            )
        if has_deep and not deep:
            raise InputError(f"{source}: this ResNet has three 3x3 convolutions in its stem. Set model.stem=beta.")
        units = tuple(len(backbone.blocks[f"block{i}"]) for i in (1, 2, 3, 4))
        if translate.resnet_units(state) != units:
            raise InputError(
                f"{source}: a ResNet of {translate.resnet_units(state)} units, model.units is {units}. Use weights of the "
                "same depth: model.backbone=resnet50 has (3, 4, 6, 3), resnet101 has (3, 4, 23, 3)."
            )
        return translate.from_resnet(state)
    if isinstance(backbone, Xception):
        return translate.from_xception(state)
    branches = list(backbone.branches)
    convs = tuple(len(block) for block in backbone.blocks.values())
    kernel, channels = (
        branches[0].fc6[0].kernel_size[0] if branches else 0,
        branches[0].fc6[0].out_channels if branches else 0,
    )
    return translate.from_vgg(state, convs, len(branches), kernel, channels, seed)


def _check(backbone: ResNet | VGG16 | Xception, own: dict[str, Tensor], source: str, wanted: str) -> None:
    """Refuse what is missing, left over or of another shape. Counters of batches may be absent (old files)."""
    expected = {k: v for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    elsewhere = backbone.starts_elsewhere if isinstance(backbone, ResNet) else ()
    missing = [k for k in expected if k not in own and not k.startswith(elsewhere)]
    unexpected = [k for k in own if k not in expected and not k.endswith("num_batches_tracked")]
    wrong = [k for k in expected if k in own and own[k].shape != expected[k].shape]
    if wrong:
        name = wrong[0]
        sizes = f"{tuple(own[name].shape)}, the network's {tuple(expected[name].shape)}"
        raise InputError(
            f"{source}: {name} and {len(wrong) - 1} more have another shape: the file's is {sizes}. Weights of {wanted} fit full "
            "width only (model.width=64, model.stem_width=64); narrow networks start from train.start=presence or random."
        )
    if missing or unexpected:
        told = [f"missing {_some(missing)}"] if missing else []
        told += [f"unexpected {_some(unexpected)}"] if unexpected else []
        raise InputError(f"{source}: does not fit the backbone: {', '.join(told)}. It takes the weights of {wanted}.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
