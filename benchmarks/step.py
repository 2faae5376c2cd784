"""Training step: images a second of DeepLabv3 and v3+ on ResNet-101, against torchvision's and smp's.

Ours is `repro.train.loop.fit` itself, random scaling, cropping and flipping included; theirs gets a batch that lies
ready on the device. torchvision's as its reference script trains it: auxiliary head, SGD, float32 or its AMP, the loss
read at every step. The floor: multiply-adds of forward and backward (three times the forward's) over the rate of a
large matrix product measured in the same run, at the precision that ours uses. On a GPU 513 x 513, batch 16, and every
way of `--launch`; on a CPU 129 x 129, batch 2.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from repro.data.images import Images
from repro.nets.deeplab import build
from repro.nets.precision import precision
from repro.plan.layers import multiply_adds
from repro.spec.protocol import Model, Train
from repro.train.loop import Hooks, fit
from repro.train.ways import Launch

from .paced import Paced
from .turns import Row, matmul_rate, ratios, take_turns

CLASSES = 21
ASPP = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
OURS = {"DeepLabv3": Model(**ASPP), "DeepLabv3+": Model(**ASPP, decoder=("conv2",))}


def bench(device: str) -> list[Row]:
    """Rows of the training step on a device."""
    return rows(device, *settings(device))


def settings(device: str) -> tuple[int, int]:
    """Crop and batch size that fit the device."""
    return (513, 16) if device.startswith("cuda") else (129, 2)


def steps(device: str) -> int:
    """Steps in a turn."""
    return 8 if device.startswith("cuda") else 2


def ways(device: str) -> tuple[Launch, ...]:
    """Ways of `--launch` that are timed; on a CPU compiling takes minutes and there are no graphs."""
    return ("eager", "captured", "compiled", "compiled+captured") if device.startswith("cuda") else ("eager",)


def rows(device: str, crop: int, batch: int) -> list[Row]:
    """One row per contender."""
    half = precision(torch.device(device), "auto") == "bfloat16"
    models = {f"{name}, {way}": (model, way) for name, model in OURS.items() for way in ways(device)}
    mine = {name: ours(model, device, crop, batch, way) for name, (model, way) in models.items()}
    contenders: dict[str, Callable[[], object]] = {name: partial(one.turn, steps(device)) for name, one in mine.items()}
    theirs = {"torchvision DeepLabv3, float32": False, "torchvision DeepLabv3, AMP": True}
    for name, amp in theirs.items():
        contenders[name] = torchvisions(device, crop, batch, amp)
    note = ""
    try:
        contenders["smp DeepLabV3Plus, AMP"] = smps(device, crop, batch)
    except ImportError:
        note = "segmentation_models_pytorch is not installed: not compared with"
    seconds = take_turns(contenders, device, turns=3)
    for one in mine.values():
        one.close()
    rate = matmul_rate(device, half)
    found = []
    for name, took in seconds.items():
        row = {"value": batch * steps(device) / statistics.median(took), "unit": "images/s"}
        if name not in models:
            found.append(Row(name, **row))
            continue
        model, _ = models[name]
        floor = rate / (3 * multiply_adds(model, 16, crop, crop, CLASSES))
        against = "torchvision DeepLabv3, AMP" if not model.decoder or note else "smp DeepLabV3Plus, AMP"
        ratio, low_high = ratios(took, seconds[against])
        one = Row(name, **row, against=against, ratio=ratio, ratio_range=low_high, floor=floor, note=note)
        if device.startswith("cuda"):
            met = ratio >= 1.5 and (one.share or 0) >= 0.45
            one = replace(one, goal="1.5 times, 45 % of the floor", met=met)
        found.append(one)
    return found


def photographs(count: int, side: int) -> Images:
    """Noise in the form of photographs with labels, all of one size."""
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    labels = noise.integers(0, CLASSES, (count, side, side), dtype=np.uint8)
    return Images(pixels, labels, np.full((count, 2), side, dtype=np.int32), tuple(map(str, range(count))))


def ours(model: Model, device: str, crop: int, batch: int, launch: Launch = "eager") -> Paced:
    """A training by our loop, to be run in turns."""
    with torch.device(device):
        network = build(model, CLASSES, 16)
    images, place = photographs(2 * batch, crop), torch.device(device)
    # so many iterations that the loop reads the loss every 500th step only, as in a long training
    train = Train(crop=crop, batch_size=batch, iterations=100_000, lr=1e-4)
    return Paced(lambda stop: fit(network, images, train, 0, place, Hooks(should_stop=stop), launch=launch))


def torchvisions(device: str, crop: int, batch: int, amp: bool) -> Callable[[], object]:
    """A turn of torchvision's reference training."""
    from torchvision.models.segmentation import deeplabv3_resnet101

    network = deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True).to(device)

    def loss_of(out: dict[str, torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        main, aux = (nn.functional.cross_entropy(out[name], y, ignore_index=255) for name in ("out", "aux"))
        return main + 0.5 * aux

    return _reference_steps(network.train(), loss_of, device, crop, batch, amp)


def smps(device: str, crop: int, batch: int) -> Callable[[], object]:
    """A turn of segmentation_models_pytorch's DeepLabV3Plus under AMP. Raises ImportError where it lacks.

    It takes sides that 16 divides: 512 for 513, 128 for 129.
    """
    crop = crop // 16 * 16
    import segmentation_models_pytorch as smp

    network = smp.DeepLabV3Plus("resnet101", encoder_weights=None, classes=CLASSES).to(device)
    return _reference_steps(
        network.train(), lambda out, y: nn.functional.cross_entropy(out, y, ignore_index=255), device, crop, batch, True
    )


def _reference_steps(
    network: nn.Module, loss_of: Callable[..., torch.Tensor], device: str, crop: int, batch: int, amp: bool
) -> Callable[[], object]:
    kind = torch.device(device).type
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    scaler = torch.amp.GradScaler(kind, enabled=amp and kind == "cuda")
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=10_000, power=0.9)
    x = torch.randn(batch, 3, crop, crop, device=device)
    y = torch.randint(0, CLASSES, (batch, crop, crop), device=device)

    def run() -> None:
        for _ in range(steps(device)):
            with torch.autocast(kind, enabled=amp):
                loss = loss_of(network(x), y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            loss.item()

    return run


def seconds_per_step(model: Model, device: str, crop: int, batch: int, turns: int = 3) -> float:
    """Median seconds of an eager step of our loop."""
    one = ours(model, device, crop, batch)
    took = take_turns({"ours": lambda: one.turn(steps(device))}, device, turns)["ours"]
    one.close()
    return statistics.median(took) / steps(device)
