"""ImageNet weights from where their makers publish them: `--weights hub`.

torchvision's ResNets and VGG-16 (version 1: trained as the papers' were, without later recipes); for v3's and v3+'s
stem of three convolutions GluonCV's ResNets as timm has them (the authors' own are TensorFlow checkpoints); and timm's
Xceptions, which it converted from the DeepLab authors' own. A file is fetched once, into the user's cache, under a name
that `repro.nets.weights.find` knows; a folder or a file of one's own (`--weights DIR`) needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repro.errors import InputError
from repro.memo import default_folder

HUB = "hub"


@dataclass(frozen=True)
class Published:
    """A file of weights at an address."""

    url: str
    sha256: str
    """Beginning of its SHA-256, as its name states it; empty where none is published."""
    file: str
    """What it is called here."""


_TORCHVISION = "https://download.pytorch.org/models"
_GLUON = "https://github.com/rwightman/pytorch-pretrained-gluonresnet/releases/download/v0.1"
_TIMM = "https://huggingface.co/timm/{0}.tf_in1k/resolve/main/model.safetensors"
PUBLISHED: dict[str, Published] = {
    "resnet50": Published(f"{_TORCHVISION}/resnet50-0676ba61.pth", "0676ba61", "resnet50-0676ba61.pth"),
    "resnet101": Published(f"{_TORCHVISION}/resnet101-63fe2227.pth", "63fe2227", "resnet101-63fe2227.pth"),
    "resnet50s": Published(f"{_GLUON}/gluon_resnet50_v1s-1762acc0.pth", "1762acc0", "resnet50s-1762acc0.pth"),
    "resnet101s": Published(f"{_GLUON}/gluon_resnet101_v1s-60fe0cc1.pth", "60fe0cc1", "resnet101s-60fe0cc1.pth"),
    "vgg16": Published(f"{_TORCHVISION}/vgg16-397923af.pth", "397923af", "vgg16-397923af.pth"),
    "xception65": Published(_TIMM.format("xception65"), "", "xception65.tf_in1k.safetensors"),
    "xception71": Published(_TIMM.format("xception71"), "", "xception71.tf_in1k.safetensors"),
}


def folder() -> Path:
    """Where fetched weights are kept."""
    return default_folder() / "weights"


def chosen(given: Path | None) -> Path | None:
    """What `--weights` means: the hub's folder for the word hub, unless a folder of that name is here."""
    return folder() if given is not None and str(given) == HUB and not given.exists() else given


def fetch(name: str, into: Path, say: Callable[[str], None] = lambda _line: None) -> Path:
    """The file of the weights `name` in `into`, fetched if it is not there.

    InputError, with the address and where to put the file by hand, if it cannot be had or is not what was published.
    """
    published = PUBLISHED[name]
    path = into / published.file
    if path.exists():
        return path
    from torch.hub import download_url_to_file  # heavy, and seldom needed

    by_hand = f"Download {published.url} elsewhere, put it at {path}, and run again; or give --weights DIR."
    say(f"downloading {published.url}")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        into.mkdir(parents=True, exist_ok=True)
        download_url_to_file(published.url, str(part), published.sha256 or None, progress=False)
        part.replace(path)
    except RuntimeError as error:
        raise InputError(f"{published.url}: not the published file ({error}). {by_hand}") from error
    except OSError as error:  # no network, no such address, a full disk
        reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        raise InputError(f"--weights hub: {name}'s weights cannot be fetched ({reason}). {by_hand}") from error
    finally:
        part.unlink(missing_ok=True)
    return path
