"""Training step: images a second of DeepLabv3 and v3+ on ResNet-101, against torchvision's and smp's.

Ours is `repro.train.loop.fit` itself, random scaling, cropping and flipping included; theirs gets a batch that lies
ready on the device. torchvision's as its reference script trains it: auxiliary head, output stride 8, SGD, float32 or
its AMP, cuDNN's own choice by timing and TF32 as torch comes, the loss read at every step. The floor: multiply-adds of
forward and backward (three times the forward's) over the rate of a large matrix product measured in the same run, at
the precision that ours uses. On a GPU 513 x 513, batch 16, and every way of `--launch` and of `--kernels`; on a CPU
129 x 129, batch 2.

Each of ours takes turns with the one that it is compared with, then leaves the device, so that no two keep their memory
side by side. A way that fails is a row that says why; ways that record graphs come last, as one that breaks off leaves
nothing usable in its process.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from repro.commands.output import print_line
from repro.data.images import PaddedSplit
from repro.errors import InputError
from repro.nets.deeplab import build
from repro.nets.precision import precision
from repro.plan.layers import multiply_adds
from repro.spec.protocol import Model, Train
from repro.train.context import Hooks, TrainingContext
from repro.train.launch_modes import Kernels, LaunchMode
from repro.train.loop import fit

from .paced import Paced
from .turns import Row, matmul_rate, ratios, take_turns

CLASSES = 21
FLOAT32, AMP, SMP = "torchvision DeepLabv3, float32", "torchvision DeepLabv3, AMP", "smp DeepLabV3Plus, AMP"
ASPP = {"head": "aspp", "atrous_rates": (6, 12, 18), "image_pooling": True}
OURS = {"DeepLabv3": Model(**ASPP), "DeepLabv3+": Model(**ASPP, decoder=("conv2",))}
LIKE_SMP = {"DeepLabv3+ separable": Model(**ASPP, decoder=("conv2",), separable=True)}
"""smp's DeepLabV3Plus has separable convolutions in ASPP and decoder. Timed eagerly alone: the others show the ways."""


def bench(device: str) -> list[Row]:
    """Rows of the training step on a device."""
    return rows(device, *settings(device))


def settings(device: str) -> tuple[int, int]:
    """Crop and batch size that fit the device."""
    return (513, 16) if device.startswith("cuda") else (129, 2)


def steps(device: str) -> int:
    """Steps in a turn."""
    return 8 if device.startswith("cuda") else 2


def launch_modes(device: str) -> tuple[LaunchMode, ...]:
    """Ways of `--launch` that are timed; on a CPU compiling takes minutes and there are no graphs."""
    return ("eager", "compiled", "captured", "compiled+captured") if device.startswith("cuda") else ("eager",)


def ways(device: str) -> list[tuple[LaunchMode, Kernels]]:
    """Each way of `--launch`, on a GPU with torch's kernels and with the suite's own."""
    whose: tuple[Kernels, ...] = ("torch", "fused") if device.startswith("cuda") else ("torch",)
    return [(launch, kernels) for launch in launch_modes(device) for kernels in whose]


def rows(device: str, crop: int, batch: int) -> list[Row]:
    """One row per contender."""
    setting = Setting(device, crop, batch, matmul_rate(device, precision(torch.device(device), "auto") == "bfloat16"))
    peers = {name: torchvisions(device, crop, batch, amp) for name, amp in ((FLOAT32, False), (AMP, True))}
    note = ""
    try:
        peers[SMP] = smps(device, crop, batch)
    except ImportError:
        note = "segmentation_models_pytorch is not installed: not compared with"
    found: dict[str, Row] = {}
    for launch_mode, kernels in ways(device):
        way = launch_mode if kernels == "torch" else f"{launch_mode}, {kernels} kernels"
        for name, model in {**OURS, **(LIKE_SMP if way == "eager" else {})}.items():
            against = SMP if model.decoder and SMP in peers else AMP
            others = (against,) if FLOAT32 in found else (against, FLOAT32)
            beside = {other: peers[other] for other in others}
            for row in measured(f"{name}, {way}", model, launch_mode, beside, setting, kernels):
                row = replace(row, note=note) if row.ratio and model.decoder else row
                found.setdefault(row.name, row)  # a peer's first figure counts
            if device.startswith("cuda"):
                gc.collect()
                torch.cuda.empty_cache()
    return list(found.values())


@dataclass(frozen=True)
class Setting:
    """What all contenders share; `rate` in multiply-adds a second."""

    device: str
    crop: int
    batch: int
    rate: float

    def per_image(self, model: Model, output_stride: int = 16) -> int:
        """Multiply-adds of a forward pass."""
        return multiply_adds(model, output_stride, self.crop, self.crop, CLASSES)


def measured(
    name: str,
    model: Model,
    launch_mode: LaunchMode,
    beside: dict[str, Callable[[], object]],
    setting: Setting,
    kernels: Kernels = "torch",
) -> list[Row]:
    """Rows of one of ours, which is compared with the first of those beside it, and of these."""
    device, against, began = setting.device, next(iter(beside)), time.perf_counter()
    goal = "1.5 times, 42 % of the floor" if device.startswith("cuda") else ""
    one = ours(model, device, setting.crop, setting.batch, launch_mode, kernels)
    try:
        seconds = take_turns({name: partial(one.turn, steps(device)), **beside}, device, turns=3)
    except (InputError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        print_line(f"step: {name}: failed: {reason}")
        return [Row(name, 0.0, "images/s", goal=goal, met=False if goal else None, note=f"failed: {reason}")]
    finally:
        one.close()
    values = {one: setting.batch * steps(device) / statistics.median(took) for one, took in seconds.items()}
    floor = setting.rate / (3 * setting.per_image(model))
    row = Row(name, values[name], "images/s", against, *ratios(seconds[name], seconds[against]), floor, goal)
    if goal:
        row = replace(row, met=(row.ratio or 0) >= 1.5 and (row.share or 0) >= 0.42)
    spent = time.perf_counter() - began
    print_line(f"step: {name}: {row.value:.3g} images/s, {row.ratio:.2f} times {against}, after {spent:.0f} s")
    more = setting.per_image(OURS["DeepLabv3"], 8) / setting.per_image(OURS["DeepLabv3"])
    stride = f"output stride 8: {more:.1f} times the multiply-adds of ours, its auxiliary head not counted"
    notes = dict.fromkeys((FLOAT32, AMP), stride)
    return [row, *(Row(other, values[other], "images/s", note=notes.get(other, "")) for other in beside)]


def photographs(count: int, side: int) -> PaddedSplit:
    """Noise in the form of photographs with labels, all of one size."""
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    labels = noise.integers(0, CLASSES, (count, side, side), dtype=np.uint8)
    return PaddedSplit(pixels, labels, np.full((count, 2), side, dtype=np.int32), tuple(map(str, range(count))))


def ours(
    model: Model, device: str, crop: int, batch: int, launch: LaunchMode = "eager", kernels: Kernels = "torch"
) -> Paced:
    """A training by our loop, to be run in turns."""
    with torch.device(device):
        network = build(model, CLASSES, 16)
    images, place = photographs(2 * batch, crop), torch.device(device)
    # so many iterations that the loop reads the loss every 500th step only, as in a long training
    train = Train(crop=crop, batch_size=batch, iterations=100_000, lr=1e-4)

    def run(stop: Callable[[], bool]) -> None:
        if place.type == "cuda":
            torch.cuda.set_device(place.index or 0)  # each thread has a device of its own, the first one unless told
        context = TrainingContext(train, 0, place, Hooks(should_stop=stop), launch=launch, kernels=kernels)
        fit(network, images, context)

    return Paced(run)


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
        with _as_torch_comes():
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


@contextmanager
def _as_torch_comes() -> Iterator[None]:
    """cuDNN as in torchvision's script: convolutions in TF32 where they are float32, and timed to choose among them."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.allow_tf32
    cudnn.benchmark = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32 = before


def seconds_per_step(model: Model, device: str, crop: int, batch: int, turns: int = 3) -> float:
    """Median seconds of an eager step of our loop."""
    one = ours(model, device, crop, batch)
    took = take_turns({"ours": lambda: one.turn(steps(device))}, device, turns)["ours"]
    one.close()
    return statistics.median(took) / steps(device)
