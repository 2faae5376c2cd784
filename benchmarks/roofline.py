"""Roofline of a training step: what its operations cost at least on a kind of GPU, and what joining them would save.

DeepLabv3 on ResNet-101, output stride 16, 513 x 513, batch 16: one step's operations are recorded on tensors without
memory, as the device would be asked them in bfloat16. A convolution or product takes the longer of its multiply-adds
at the rate of a large product and of its bytes at the memory's; any other operation the time of its bytes. Nothing is
added for launches, which a host that runs ahead hides, nor taken off for what a cache keeps.

The ways in which a step may be computed differ in how often each kind of operation passes over its maps (`PASSES`).
With a GPU at hand, an eager step's measured time stands beside the prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from repro.errors import InputError
from repro.nets.resize import matrix
from repro.spec.gpu import Gpu
from repro.spec.protocol import Model, Train
from repro.train.loss import pixel_loss
from repro.train.prefetch import Batch
from repro.train.training import network_of

from .step import CLASSES, OURS, seconds_per_step, settings
from .turns import Row

SLOW = TAKES_GPU = True
CROP, BATCH = 513, 16

PASSES: Mapping[str, Mapping[str, float]] = {
    # normalisation reads its map for the statistics and again to write; its gradient reads two maps twice and writes
    "operation by operation": {},
    # a rectifier and an addition are done where the normalisation writes; the gradient of a rectifier needs its map
    "compiled": {"rectifier": 0, "rectifier, gradient": 2, "addition": 1, "addition, gradient": 1},
    "loss, augmentation and casts fused": {"loss": 0, "augmentation": 0, "casts": 0},
    # the gradient finds the sign of what was rectified from the normalisation's own input
    "normalisation, rectifier and addition in 3 + 5 passes": {"rectifier, gradient": 0},
    # sums are taken where convolutions write: of the map itself, and of its gradient, whose other factor is read there
    "statistics in the convolutions' epilogues": {"normalisation": 2, "normalisation, gradient": 4},
}
"""Passes over a map by each kind of operation that a way changes; it keeps the changes of those before it."""
BUILT: Mapping[str, float] = {
    # the gradient of a shortcut reads it twice and is written; autograd still adds it to others by itself
    "rectifier": 0, "rectifier, gradient": 0, "addition": 1, "addition, gradient": 6,
    "loss": 0, "augmentation": 0, "casts": 0,
}  # fmt: skip
"""Passes by `--kernels fused`, without compiling."""
RECORDED: Mapping[str, float] = {
    "normalisation": 3, "normalisation, gradient": 5, "rectifier": 2, "rectifier, gradient": 3, "addition": 3,
    "addition, gradient": 3, "loss": 1, "augmentation": 1, "casts": 1,
}  # fmt: skip
"""Passes as recorded, operation by operation."""


@dataclass
class Kind:
    """Sums over the operations of a kind; `seconds` by the roofline of each."""

    bytes: float = 0.0
    flops: float = 0.0
    operations: int = 0
    seconds: float = 0.0
    least: float = 0.0
    """Bytes that are moved also where all of them are one: what goes in and what comes out."""


@dataclass
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums up what is computed within `phase`, by kind."""

    flops_per_second: float
    bytes_per_second: float
    kinds: dict[str, Kind] = field(default_factory=dict)
    _phase: str = ""

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Within, operations belong to "forward", "gradient", or to a kind of that name."""
        self._phase = name
        with self:
            yield

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = str(func)
        if not func.is_view and not name.startswith(("aten.empty", "aten.detach", "aten._unsafe_view", "aten.view")):
            moved = sum(_size(t) for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor))
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **(kwargs or {}), out_val=out) if count else 0
            self.add(self._kind(name, out), moved, flops)
        return out

    def add(self, name: str, moved: float, flops: float = 0.0, operations: int = 1) -> None:
        """Add operations that move and compute so much."""
        kind = self.kinds.setdefault(name, Kind())
        if name in ("normalisation", "normalisation, gradient"):  # recorded as if each map were read once
            moved *= RECORDED[name] / (2 if name == "normalisation" else 3)
        kind.bytes += moved
        kind.flops += flops
        kind.operations += operations
        kind.seconds += max(moved / self.bytes_per_second, flops / self.flops_per_second)

    def _kind(self, name: str, out: Any) -> str:
        if self._phase not in ("forward", "gradient"):
            return self._phase
        end = ", gradient" if self._phase == "gradient" else ""
        if "convolution" in name or "mm" in name:
            return f"convolution{end}"
        if "batch_norm" in name:
            return f"normalisation{end}"
        if "relu" in name or "threshold" in name:
            return f"rectifier{end}"
        if "aten.add" in name and isinstance(out, Tensor) and out.dim() == 4:
            return f"addition{end}"
        return f"other{end}"


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def recorded(model: Model, crop: int, batch: int, flops_per_second: float, bytes_per_second: float) -> Recorder:
    """A training step's operations by kind; convolutions in bfloat16, their weights kept in float32."""
    train = Train(crop=crop, batch_size=batch)
    matrix.cache_clear()  # made below, they are without memory
    with torch.device("meta"):
        network = network_of(model, CLASSES, train).train()
        pixels = torch.zeros(batch, crop, crop, 3, dtype=torch.uint8)
        labels, sizes = pixels[..., 0].clone(), torch.zeros(batch, 2, dtype=torch.int32)
        source = Batch(pixels, labels, sizes, torch.zeros(batch, 6, dtype=torch.int64))
    products = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    weights = sum(p.numel() for p in network.parameters())
    for module in products:
        module.to(torch.bfloat16)
    for _ in range(2):  # what is kept from step to step is made in the first
        recorder = Recorder(flops_per_second, bytes_per_second)
        network.zero_grad(set_to_none=True)
        with recorder.phase("augmentation"):
            x, y = source.samples(train)
        with recorder.phase("casts"):
            x16 = x.bfloat16()
        with recorder.phase("forward"):
            logits = network.training_logits(x16)[0]  # type: ignore[operator]
        with recorder.phase("loss"):
            loss = pixel_loss(logits, y, upsample_logits=True)
            (towards,) = torch.autograd.grad(loss, logits)
        with recorder.phase("gradient"):
            logits.backward(towards)
    matrix.cache_clear()
    cast = sum(m.weight.numel() for m in products)
    recorder.add("casts", 2 * cast * (4 + 2), operations=2 * len(products))
    # reads weight, gradient and momentum, writes weight and momentum
    recorder.add("update", 5 * 4 * weights, 4 * weights)
    ends = {
        "loss": 2 * _size(y) + 3 * _size(logits),
        "augmentation": _size(pixels) + _size(labels) + _size(x) + _size(y),
    }
    for name, moved in {**ends, "casts": _size(x) + cast * (4 + 2 + 2 + 4)}.items():
        recorder.kinds[name].least = float(moved)
    return recorder


def predicted(recorder: Recorder) -> dict[str, float]:
    """Seconds of a step by each way."""
    passes, found = dict(RECORDED), {}
    for way, changes in PASSES.items():
        passes |= changes
        found[way] = _step(recorder, passes)
    return found | {"--kernels fused, not compiled": _step(recorder, {**RECORDED, **BUILT})}


def _step(recorder: Recorder, passes: Mapping[str, float]) -> float:
    return sum(_seconds(recorder, name, kind, passes) for name, kind in recorder.kinds.items())


def _seconds(recorder: Recorder, name: str, kind: Kind, passes: Mapping[str, float]) -> float:
    if name not in RECORDED:
        return kind.seconds
    per_pass = kind.seconds / RECORDED[name]
    return max(per_pass * passes[name], kind.least / recorder.bytes_per_second)


def bench(device: str, gpu: Gpu, crop: int = CROP, batch: int = BATCH) -> list[Row]:
    """A row for each kind of operation, then one for each way, then what was measured where there is a GPU."""
    if gpu.roofline is None:
        raise InputError(f"--gpu: {gpu.title} has no memory_tb_s, or neither matrix_tflops nor peak_tflops. Add them.")
    if not gpu.bfloat16:
        raise InputError(f"--gpu: {gpu.title} has no bfloat16, in which the step is recorded. Choose another kind.")
    flops, memory = gpu.roofline
    recorder = recorded(OURS["DeepLabv3"], crop, batch, flops, memory)
    rows = []
    for name, kind in sorted(recorder.kinds.items(), key=lambda item: -item[1].seconds):
        much = f"{kind.bytes / 1e9:.2f} GB, {kind.flops / 1e12:.2f} TFLOP in {kind.operations} operations"
        rows.append(Row(name, kind.seconds * 1e3, "ms", note=much))
    least = sum(kind.flops for kind in recorder.kinds.values()) / flops
    source = "measured" if gpu.matrix_tflops else "the maker's"
    note = f"{gpu.title}: {flops / 1e12:.0f} TFLOP/s ({source}), {memory / 1e12:.2f} TB/s ({gpu.memory_source})"
    rows.append(Row("products alone", least * 1e3, "ms", note=note))
    for way, seconds in predicted(recorder).items():
        rows.append(Row(way, seconds * 1e3, "ms", floor=least * 1e3))
    if device.startswith("cuda") and (crop, batch) == settings(device):
        took = seconds_per_step(OURS["DeepLabv3"], device, crop, batch)
        rows.append(Row("measured, operation by operation", took * 1e3, "ms", floor=least * 1e3))
    return rows
