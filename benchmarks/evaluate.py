"""Evaluation: counting mean IOU against detectron2's rule and torchmetrics; images a second of v3 Table 6's strategies.

Counting: predictions and labels of 8 images, 21 classes. detectron2's rule is one int64 bincount of (classes + 1) x
prediction + truth over all pixels, as its evaluator does image by image in numpy; ours keeps a matrix for every image.
Strategies: DeepLabv3 on ResNet-101, each pass one call on a whole batch of equal canvases; beside each the ratio that
the multiply-adds predict. On a GPU 8 canvases of 513 x 513, on a CPU one of 97 x 97 (counting: 513 x 513 on both).
"""

from __future__ import annotations

import statistics

import numpy as np
import numpy.typing as npt
import torch

from repro.evaluate.confusion import confusion
from repro.evaluate.inference import probabilities
from repro.nets.deeplab import build
from repro.nets.precision import autocast
from repro.plan.layers import multiply_adds, scaled
from repro.spec.protocol import Evaluate

from .step import OURS
from .turns import Row, ratios, take_turns

CLASSES, IMAGES, SIDE = 21, 8, 513
MANY = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
STRATEGIES = {
    "OS=16": Evaluate(output_stride=16),
    "OS=8": Evaluate(output_stride=8),
    "OS=8, MS": Evaluate(output_stride=8, scales=MANY),
    "OS=8, MS, Flip": Evaluate(output_stride=8, scales=MANY, flip=True),
}


def bench(device: str) -> list[Row]:
    """Rows of counting, then of the strategies."""
    side, batch = (SIDE, 8) if device.startswith("cuda") else (97, 1)
    counted, seconds_per_pixel = counting(device)
    strategies, forward = inference(device, side, batch)
    share = seconds_per_pixel / (seconds_per_pixel + forward)
    return [
        *counted,
        Row("counting, share of evaluation at OS=16", share, "of it", goal="at most 3 %", met=share <= 0.03),
        *strategies,
    ]


def detectron2(prediction: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(classes + 1, classes + 1) counts [prediction, truth] of one image; void is the last class."""
    truth = np.where(truth == 255, CLASSES, truth)
    counts = np.bincount((CLASSES + 1) * prediction.reshape(-1) + truth.reshape(-1), minlength=(CLASSES + 1) ** 2)
    return counts.reshape(CLASSES + 1, CLASSES + 1)


def counting(device: str) -> tuple[list[Row], float]:
    """Rows of counting, and our seconds per pixel."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, CLASSES, (IMAGES, SIDE, SIDE), generator=generator)
    truth[torch.rand(truth.shape, generator=generator) < 0.05] = 255
    prediction = torch.randint(0, CLASSES, truth.shape, generator=generator)
    far, labels = prediction.to(device), truth.to(torch.uint8).to(device)
    here, there = prediction.numpy(), truth.numpy()
    contenders = {
        "ours, a matrix per image": lambda: confusion(labels, far, CLASSES),
        "detectron2's rule": lambda: sum(detectron2(p, t) for p, t in zip(here, there, strict=True)),
    }
    note = ""
    try:
        from torchmetrics.classification import MulticlassJaccardIndex

        metric = MulticlassJaccardIndex(CLASSES, ignore_index=255, validate_args=False).to(device)
        long = truth.to(device)
        contenders["torchmetrics JaccardIndex"] = lambda: metric.update(far, long)
    except ImportError:
        note = "torchmetrics is not installed: not compared with"
    ours = confusion(labels, far, CLASSES).sum(0).cpu().numpy()
    theirs = sum(detectron2(p, t) for p, t in zip(here, there, strict=True))[:CLASSES, :CLASSES]
    if not np.array_equal(ours, np.asarray(theirs).T):
        raise RuntimeError("the two rules count differently")
    seconds = take_turns(contenders, device)
    took = seconds["ours, a matrix per image"]
    rows = []
    for name, other in seconds.items():
        value = IMAGES / statistics.median(other)
        if other is took:
            ratio, low_high = ratios(took, seconds["detectron2's rule"])
            told = {"against": "detectron2's rule", "ratio": ratio, "ratio_range": low_high, "note": note}
            rows.append(Row(f"counting, {name}", value, "images/s", goal="at least as fast", met=ratio >= 1, **told))
        else:
            rows.append(Row(f"counting, {name}", value, "images/s"))
    return rows, statistics.median(took) / IMAGES / SIDE**2


def inference(device: str, side: int, batch: int) -> tuple[list[Row], float]:
    """Rows of the strategies, and seconds per pixel at output stride 16."""
    model, place = OURS["DeepLabv3"], torch.device(device)
    x = torch.randn(batch, 3, side, side, device=place).contiguous(memory_format=torch.channels_last)
    state = build(model, CLASSES, 16).state_dict()
    contenders = {}
    for name, evaluate in STRATEGIES.items():
        network = build(model, CLASSES, evaluate.output_stride)
        network.load_state_dict(state)
        network.eval().to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]

        def run(network: torch.nn.Module = network, evaluate: Evaluate = evaluate) -> None:
            with autocast(place, "auto"):
                probabilities(network, x, evaluate)

        contenders[name] = run
    seconds = take_turns(contenders, device, turns=3)
    first = operations(STRATEGIES["OS=16"], side)
    rows = []
    for name, took in seconds.items():
        slower, low_high = ratios(seconds["OS=16"], took)
        expected = operations(STRATEGIES[name], side) / first
        rows.append(
            Row(
                f"strategy {name}",
                batch / statistics.median(took),
                "images/s",
                against="" if name == "OS=16" else "OS=16",
                ratio=None if name == "OS=16" else 1 / slower,
                ratio_range=None if name == "OS=16" else (1 / low_high[1], 1 / low_high[0]),
                note=f"{slower:.1f} times the time; multiply-adds predict {expected:.1f}",
            )
        )
    return rows, statistics.median(seconds["OS=16"]) / batch / side**2


def operations(evaluate: Evaluate, side: int) -> int:
    """Multiply-adds of a strategy on one canvas."""
    sides = [scaled(side, scale) for scale in evaluate.scales]
    return (2 if evaluate.flip else 1) * sum(
        multiply_adds(OURS["DeepLabv3"], evaluate.output_stride, s, s, CLASSES) for s in sides
    )
