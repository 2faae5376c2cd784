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
from repro.nets.deeplab import Backbone, DeepLab
from repro.nets.resnet import ResNet
from repro.nets.vgg import VGG16
from repro.nets.xception import Xception

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
WANTED: dict[type, tuple[translate.Kind, str]] = {
    ResNet: ("resnet", "torchvision's resnet50 or resnet101"),
    VGG16: ("vgg", "torchvision's vgg16 (vgg16_bn with model.vgg_batch_norm=true)"),
    Xception: ("xception", "timm's xception65 or xception71"),
}
KINDS: dict[translate.Kind, str] = {
    "resnet": "weights of a ResNet",
    "vgg": "weights of a VGG",
    "xception": "weights of an Xception",
    "own": "weights of one of this suite's own networks",
    "unknown": "weights of no network known here",
}


def find(folder_or_file: Path, name: str) -> Path:
    """The file of the weights `name`: the path itself, or the one file in the folder whose name begins with it.

    `resnet101s` is what timm calls a ResNet-101 whose stem is three convolutions; where no file is called so, one whose
    name begins with resnet101 is taken, and what it holds decides. Raises InputError for none or more than one.
    """
    if folder_or_file.is_file():
        return folder_or_file
    if not folder_or_file.is_dir():
        raise InputError(f"{folder_or_file}: no such file or folder; expected ImageNet weights for {name}.")
    plain = name.removesuffix("s")
    alike = sorted(p for p in folder_or_file.iterdir() if p.suffix in SUFFIXES and p.name.lower().startswith(plain))
    found = [p for p in alike if p.name.lower().startswith(f"{plain}s") == (name != plain)] or alike
    if len(found) == 1:
        return found[0]
    if not found:
        wanted = ", ".join(f"{name}*{s}" for s in SUFFIXES)
        raise InputError(f"{folder_or_file}: no weights for {name} here; put one file named {wanted} into it.")
    names = ", ".join(p.name for p in found)
    raise InputError(f"{folder_or_file}: several files for {name} ({names}); leave one of them there.")


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
    except pickle.UnpicklingError as error:
        # torch's own words advise to run what the file holds
        raise InputError(
            f"{path}: damaged, or holds more than tensors, which is not loaded. Download the file again, or save the "
            "tensors alone as .safetensors."
        ) from error
    except (SafetensorError, zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: not readable as weights ({reason}). Download the file again.") from error
    for wrapped in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapped), dict):
            state = state[wrapped]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path}: holds no state dict (names and tensors). Save `model.state_dict()`.")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def load_backbone(network: DeepLab | Backbone, state: Mapping[str, Tensor], source: str, seed: int = 0) -> None:
    """Load an ImageNet classifier's state dict into a backbone, by name; blocks 5 to 7 become copies of block4.

    `source` is what messages call the state dict (the file); `seed` decides which filters of VGG-16's fc6 and fc7 are
    kept. Raises InputError where the state dict is another network's, or incomplete, or of another shape.
    """
    backbone = network.backbone if isinstance(network, DeepLab) else network
    kind, wanted = WANTED[type(backbone)]
    found = translate.kind_of(state)
    if found != kind:
        raise InputError(f"{source}: these are {KINDS[found]}; this backbone takes those of {wanted}.")
    own = _translated(backbone, state, source, seed)
    _check(backbone, own, source, wanted)
    backbone.load_state_dict(own, strict=False)
    backbone.complete()


def _translated(backbone: Backbone, state: Mapping[str, Tensor], source: str, seed: int) -> dict[str, Tensor]:
    model = backbone.model
    if isinstance(backbone, VGG16):
        convs = (*model.units, model.units[3])
        return translate.from_vgg(state, convs, len(backbone.branches), model.fc_kernel, model.fc_channels, seed)
    if isinstance(backbone, Xception):
        return translate.from_xception(state)
    three_convs = "conv1.0.weight" in state
    if model.stem == "beta" and not three_convs:
        raise InputError(
            f"{source}: this ResNet's stem is one 7x7 convolution, the network's is three 3x3 (model.stem=beta, the "
            f"paper's). timm's resnet{sum(model.units) * 3 + 2}s has that stem (--weights hub fetches it); to use "
            "torchvision's weights, set model.stem=conv7 and model.stride_at=first_unit."
        )
    if model.stem == "conv7" and three_convs:
        raise InputError(f"{source}: this ResNet's stem is three 3x3 convolutions. Set model.stem=beta.")
    if (units := translate.resnet_units(state)) != model.units:
        raise InputError(
            f"{source}: a ResNet with {units} units in its blocks; model.units is {model.units}. Use weights of the "
            "same depth: resnet50 has (3, 4, 6, 3), resnet101 has (3, 4, 23, 3)."
        )
    return translate.from_resnet(state)


def _check(backbone: Backbone, own: dict[str, Tensor], source: str, wanted: str) -> None:
    """Refuse what is missing, left over or of another shape. Counters of batches may be absent (old files)."""
    expected = {k: v for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    elsewhere = backbone.starts_elsewhere if isinstance(backbone, ResNet) else ()
    missing = [k for k in expected if k not in own and not k.startswith(elsewhere)]
    unexpected = [k for k in own if k not in expected and not k.endswith("num_batches_tracked")]
    wrong = [k for k in expected if k in own and own[k].shape != expected[k].shape]
    if missing or unexpected:
        told = [f"missing {_some(missing)}"] if missing else []
        told += [f"unexpected {_some(unexpected)}"] if unexpected else []
        raise InputError(f"{source}: does not fit the backbone: {', '.join(told)}. It takes the weights of {wanted}.")
    if wrong:
        name = wrong[0]
        raise InputError(
            f"{source}: {_some(wrong)} have another shape ({tuple(own[name].shape)} in the file, "
            f"{tuple(expected[name].shape)} in the network). Weights of {wanted} fit the papers' widths only; narrow "
            "networks start from train.start=presence or random."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
