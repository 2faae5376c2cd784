"""Files of ImageNet weights, without torch: which one is meant, and what it says of itself."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, get_args

from repro.errors import InputError, did_you_mean
from repro.spec.protocol import StrideAt

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
OTHERS = {
    ".npz": "a NumPy archive",
    ".npy": "a NumPy array",
    ".h5": "a file of Keras",
    ".hdf5": "a file of Keras",
    ".keras": "a file of Keras",
    ".index": "the table of contents of a TensorFlow checkpoint",
    ".meta": "the graph of a TensorFlow checkpoint",
    ".pb": "a TensorFlow graph",
    ".tflite": "a TensorFlow Lite model",
    ".caffemodel": "a file of Caffe",
    ".onnx": "an ONNX graph",
    ".mat": "a file of MATLAB",
    ".gz": "a compressed file",
    ".tgz": "a compressed archive",
}
"""What files of other kinds are, by suffix; .ckpt, .pkl and .tar may hold a state dict as well as anything else."""
STRIDE_AT = "stride_at"
"""Entry of a .safetensors file's metadata: where the ResNet that it holds had its strides when it was trained."""
PUBLIC_STRIDE_AT: StrideAt = "first_unit"
"""Where every public ResNet has them that has torchvision's names: in the 3x3 of a block's first unit."""
LONGEST_HEADER = 100_000_000
"""Bytes, as in the safetensors library."""


def find(folder_or_file: Path, name: str) -> Path:
    """The file of the weights `name`: the path itself, or the one file in the folder whose name begins with it.

    `resnet101s` is what timm calls a ResNet-101 whose stem is three convolutions; where no file is called so, one whose
    name begins with resnet101 is taken, and what it holds decides. Raises InputError for none or more than one, and for
    what is no ordinary file.
    """
    if not folder_or_file.is_dir():
        return regular(folder_or_file, name)
    plain = name.removesuffix("s")
    try:
        here = sorted(folder_or_file.iterdir())
    except OSError as error:
        raise InputError(
            f"{folder_or_file}: cannot be read ({error.strerror}). Make it readable for this user."
        ) from error
    alike = [p for p in here if p.suffix in SUFFIXES and p.name.lower().startswith(plain)]
    fitting = [p for p in alike if p.name.lower().startswith(f"{plain}s") == (name != plain)] or alike
    if len(fitting) == 1:
        return regular(fitting[0], name)
    if not fitting:
        wanted = ", ".join(f"{name}*{s}" for s in SUFFIXES)
        others = [p for p in here if p.name.lower().startswith(plain) and kind(p)]
        hint = f" {others[0].name} is {kind(others[0])}." if others else ""
        raise InputError(f"{folder_or_file}: no weights for {name} here; put one file named {wanted} into it.{hint}")
    names = ", ".join(p.name for p in fitting)
    raise InputError(f"{folder_or_file}: several files for {name} ({names}); leave one of them there.")


def regular(path: Path, name: str) -> Path:
    """The path of an ordinary file. InputError for a pipe or a device, which reading may wait for without end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise InputError(f"{path}: cannot be read ({error.strerror}). Make it readable for this user.") from error
        raise InputError(f"{path}: no such file or folder; expected ImageNet weights for {name}.") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: no ordinary file. Give the file of the weights for {name}, or the folder it is in.")
    return path


def kind(path: Path) -> str:
    """What a file is that holds no state dict, told from its name; empty where that does not tell."""
    if ".data-" in path.name:
        return "a part of a TensorFlow checkpoint"
    return OTHERS.get(path.suffix.lower(), "")


def stride_at(path: Path) -> StrideAt:
    """Where a ResNet in a file of weights had its strides in training; InputError for a place that is none.

    A .safetensors file may say so in its metadata ("stride_at"); otherwise it is where all public weights of
    torchvision's names have it.
    """
    recorded = metadata(path).get(STRIDE_AT) if path.suffix == ".safetensors" else None
    if recorded is None:
        return PUBLIC_STRIDE_AT
    for place in get_args(StrideAt):
        if recorded == place:
            return place  # type: ignore[no-any-return]
    known = get_args(StrideAt)
    raise InputError(
        f"{path}: metadata: stride_at: {recorded!r} is none of {', '.join(known)}.{did_you_mean(str(recorded), known)}"
    )


def metadata(path: Path) -> dict[str, Any]:
    """What a .safetensors file says of itself; nothing where it cannot be read, which reading its tensors will tell."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= LONGEST_HEADER else {}
    except (OSError, ValueError, RecursionError):
        return {}
    stored = header.get("__metadata__") if isinstance(header, dict) else None
    return stored if isinstance(stored, dict) else {}
