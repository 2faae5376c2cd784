"""ImageNet weights from where their makers publish them: `--weights hub`.

torchvision's ResNets and VGG-16 (version 1: trained as the papers' were, without later recipes); for v3's and v3+'s
stem of three convolutions GluonCV's ResNets as timm has them (the authors' own are TensorFlow checkpoints); and timm's
Xceptions, which it converted from the DeepLab authors' own. A file is fetched once, into the user's cache, under a name
that `repro.nets.weights.find` knows; a folder or a file of one's own (`--weights DIR`) needs none of this.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from repro.errors import InputError
from repro.memo import default_folder
from repro.spec.parts import published

HUB = "hub"


def folder() -> Path:
    """Where fetched weights are kept."""
    return default_folder() / "weights"


def chosen(given: Path | None) -> Path | None:
    """What `--weights` means: the hub's folder for the word hub, unless a folder of that name is here."""
    return folder() if given is not None and str(given) == HUB and not given.exists() else given


def fetch(
    name: str, into: Path, report: Callable[[str], None] = lambda _line: None, pause_seconds: float = 2.0
) -> Path:
    """The file of the weights `name` in `into`, fetched if it is not there.

    A download that broke goes on where it broke, in this call or, where a checksum is published, in a later one.
    InputError, with the address and where to put the file by hand, if it cannot be had or is not what was published.
    """
    source = published(name)
    path = into / source.filename
    if path.exists():
        return path
    from repro.data.download import Checksum, download  # heavy, and seldom needed

    report(f"downloading {source.url}")
    checksum = Checksum("sha256", source.sha256)
    try:
        download(source.url, path, checksum, pause_seconds=pause_seconds, elsewhere="give --weights DIR")
    except InputError as error:
        raise InputError(f"--weights hub: {name}: {error} Or give --weights DIR.") from error
    if path.suffix == ".safetensors" and not _whole(path):
        path.unlink()
        raise InputError(
            f"--weights hub: {name}: {source.url}: what came is no whole .safetensors file. Nothing was kept; try "
            f"again later, put it at {path} by hand, or give --weights DIR."
        )
    return path


def _whole(path: Path) -> bool:
    """Whether a .safetensors file has the length that its own table of contents says."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= size else {}
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return bool(ends) and 8 + length + max(ends) == size
