"""The device that a process computes on."""

from __future__ import annotations

import torch

from repro.errors import InputError


def torch_device(name: str) -> torch.device:
    """The torch device of that name, checked to be there and made this process's own; of several ("cuda:0,1") the
    first. InputError if it is not there.
    """
    try:
        device = torch.device(name.partition(",")[0])
    except RuntimeError as error:
        raise InputError(f"--device {name}: no such kind of device. Use cpu, cuda, cuda:0, ... or auto.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            there = f"there are {count} CUDA devices" if count else "this machine has no CUDA device"
            raise InputError(f"--device {name}: {there}. Use --device cpu.")
        # what names no device would else take memory on the first one, for every worker of the machine
        torch.cuda.set_device(device.index or 0)
        # float32 is float32: where speed counts, networks compute in bfloat16
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    elif device.type != "cpu":
        raise InputError(f"--device {name}: only cpu and cuda are supported. Use --device cpu.")
    return device
