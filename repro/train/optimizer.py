"""What learns, how fast, with what decay: parameter groups, the optimiser, batch normalisation's averages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from repro.spec.protocol import Pretrain, Train

HEAD = "head"


def parameter_groups(network: nn.Module, train: Train | Pretrain) -> list[dict[str, object]]:
    """Weight decay on convolution and linear weights only; multipliers for the head and for biases.

    Released v3+ code: no decay on batch normalisation, biases and depthwise weights; v2: the classifier learns at
    10 times the rate, biases at twice (`head_lr_multiplier`, `bias_lr_multiplier`). Biases are those of convolutions
    and linear layers: what batch normalisation adds learns at the plain rate, as in the released code.
    """
    head = train.head_lr_multiplier if isinstance(train, Train) else 1.0
    bias = train.bias_lr_multiplier if isinstance(train, Train) else 1.0
    everything = isinstance(train, Train) and train.weight_decay_on == "all"
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, module in network.named_modules():
        linear = isinstance(module, nn.Conv2d | nn.Linear)
        for key, parameter in module.named_parameters(recurse=False):
            depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
            decayed = everything or (key == "weight" and linear and not depthwise)
            rate = (head if in_head(name) else 1.0) * (bias if key == "bias" and linear else 1.0)
            groups.setdefault((rate, train.weight_decay if decayed else 0.0), []).append(parameter)
    return [
        {"params": parameters, "lr": train.lr * rate, "rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def in_head(module: str) -> bool:
    """Whether the module of that dotted name belongs to the head rather than to the backbone."""
    return module.split(".")[0] == HEAD


def make_optimizer(network: nn.Module, train: Train | Pretrain) -> torch.optim.Optimizer:
    """SGD with momentum (the papers'), or AdamW (a deviation of the small scales)."""
    groups = parameter_groups(network, train)
    if isinstance(train, Train) and train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=train.momentum, fused=True)
    return torch.optim.AdamW(groups, lr=train.lr, fused=True)


def hold_rates(optimizer: torch.optim.Optimizer, device: torch.device, *, captured: bool) -> None:
    """Keep learning rates as numbers, or for a CUDA graph as tensors on the device, which a recorded step reads.

    To be called after a state was loaded: it may come from the other way.
    """
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        group["lr"] = torch.tensor(rate, dtype=torch.float32, device=device) if captured else rate
        if "capturable" in group:
            group["capturable"] = captured


def set_rates(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set every group's learning rate: `lr` times the group's own multiplier."""
    for group in optimizer.param_groups:
        rate = lr * group["rate"]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def set_batch_norm(network: nn.Module, train: Train | Pretrain) -> None:
    """Moving averages keep `batch_norm_decay` of the old value (the backbone's `backbone_batch_norm_decay`, if given).

    Frozen statistics normalise and do not move, while scale and shift learn (paper v3, Table 8: in the released code
    only `is_training` is off); layers that are frozen as a whole do neither (v2's prototxts: multiplier 0).
    """
    backbone = train.backbone_batch_norm_decay if isinstance(train, Train) else None
    mode = train.batch_norm if isinstance(train, Train) else "train"
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            own = backbone if backbone is not None and not in_head(name) else train.batch_norm_decay
            module.momentum = 1.0 - own
            if mode != "train":
                module.eval()
            if mode == "frozen":
                module.requires_grad_(False)
