"""Multiply-adds, parameters and field of view, counted from the network that is really built.

The network runs once on the meta device (shapes, no numbers) with a hook on every module that computes. Two counts:

- `plain_multiply_adds`: the textbook's. A convolution costs (output pixels) x (weights per output) for each filter.
- `multiply_adds`: that of v3+ (arXiv 1802.02611), Tables 3 and 5: half of the float operations that TensorFlow 1's
  profiler reports for the whole evaluation graph (`tensorflow/python/profiler/internal/flops_registry.py`; printed by
  the released `eval.py`). 27 of the 28 published figures come out equal at two decimals; the other is printed as
  101.28, while the paper's own neighbouring rows need the 102.78 that is counted here.

What the profiler's count adds to the plain one:

1. An atrous convolution ran through space-to-batch, which pads the map to a multiple of the rate: kernel and rate both
   above 1 make a side h cost r ceil(h / r).
2. Element-wise terms, halved like all operations: residual additions and subsampled shortcuts (1 per output), max
   pooling (9 per output), global means (1 per input), biases (1 per output), normalisation of the input (6 per pixel).
3. The graph's weights, once however many scales run: initialiser (2 operations a weight) and L2 term (3 a weight, none
   for depthwise ones).
4. A rest that is not itemised: 0.0035 billion for the 513 x 513 canvas. Any value from 0.00335 to 0.00368 gives the
   same 27 figures. The authors' list of models (tables/model_zoo) has two more, for 1025 x 2049, which need 0.0101 to
   0.0125 there: three times as much for twice the height and four times the width, as for their sum, not for their
   product. From 0.00339 on all 29 come out.

Not counted in either: batch normalisation, ReLU, resizing, concatenation, softmax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from repro.nets.build import Network, build
from repro.nets.deeplab import DeepLab
from repro.nets.layers import Add, GlobalMean, Subsample
from repro.nets.resize import scaled_side
from repro.spec.protocol import Model
from repro.spec.sliding import passes_of

IMAGENET_STRIDE = 32
"""Of classification networks."""
REST_PER_SIDE = 0.0035e9 / (513 + 513)
"""Multiply-adds per pixel of the canvas' height and width that are not itemised (point 4)."""


@dataclass(frozen=True)
class Pass:
    """One forward pass, in multiply-adds."""

    convolutions: int
    """The plain count."""
    space_to_batch: int
    """What padding to multiples of the rate adds."""
    element_wise: float


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs on one image, all scales and flips together."""

    convolutions: int
    """Multiply-adds of the convolutions alone."""
    space_to_batch: int
    element_wise: float
    weights_once: float
    """Initialiser and L2 term."""
    rest: float
    parameters: int
    """All learned numbers: weights, biases, batch normalisation's scales and shifts."""
    weights: int
    """Convolutions' weights only."""
    field_of_view: int | None
    """Side in input pixels of what the head's widest convolution reads (v2, Table 1); None where it is 1x1."""

    @property
    def plain_multiply_adds(self) -> int:
        """The textbook's count."""
        return self.convolutions

    @property
    def multiply_adds(self) -> float:
        """The count of v3+, Tables 3 and 5."""
        return self.convolutions + self.space_to_batch + self.element_wise + self.weights_once + self.rest


def cost(
    model: Model,
    classes: int,
    output_stride: int,
    canvas: tuple[int, int] = (513, 513),
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
    window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
) -> NetworkCost:
    """Count the network that `model` describes on a canvas (height, width), at every scale, twice each if `flip`.

    With a `window` and its `stride`, down and across: on every window that lies on the canvas at a scale.
    Raises ValueError where the backbone cannot make `output_stride`.
    """
    network, parameters = _built(model, classes, output_stride)
    seen = [passes_of((scaled_side(canvas[0], s), scaled_side(canvas[1], s)), window, stride) for s in scales]
    runs = [run for count, size in seen for run in [_one_pass(model, classes, output_stride, size)] * count]
    times = 2 if flip else 1
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    weights = sum(m.weight.numel() for m in convs)
    decayed = sum(m.weight.numel() for m in convs if m.groups == 1)
    return NetworkCost(
        convolutions=times * sum(run.convolutions for run in runs),
        space_to_batch=times * sum(run.space_to_batch for run in runs),
        element_wise=times * sum(run.element_wise for run in runs),
        weights_once=(2 * weights + 3 * decayed) / 2,
        rest=REST_PER_SIDE * (canvas[0] + canvas[1]),
        parameters=parameters,
        weights=weights,
        field_of_view=field_of_view(network),
    )


def field_of_view(network: Network) -> int | None:
    """Side of the footprint at which the head's widest convolution reads (v2, section 4.1.1, Table 1).

    Kernel k at rate r reads cells that lie r x (output stride) pixels apart, the outermost (k - 1) r apart, and each
    stands for the 32 pixels of the classification network's stride. It is not the theoretical receptive field.
    """
    if not isinstance(network, DeepLab):
        return None
    readers = network.backbone.readers() or _readers_of(network.head)
    if readers is None:
        return None
    convs = [m for m in readers.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1]
    spans = [network.backbone.output_stride * m.dilation[0] * (m.kernel_size[0] - 1) + IMAGENET_STRIDE for m in convs]
    return max(spans, default=None)


def _readers_of(head: nn.Module) -> nn.Module | None:
    readers = getattr(head, "readers", None)
    listed = readers() if callable(readers) else None
    return listed if isinstance(listed, nn.Module) else None


@lru_cache(maxsize=16)
def _built(model: Model, classes: int, output_stride: int) -> tuple[Network, int]:
    """The network on the meta device and its number of learned values.

    Batch normalisation and ReLU keep shapes and are not counted; they are taken out after the learned values are
    counted, which makes a pass four times as fast.
    """
    # somebody else's function may read weights, which a network that was built without memory has no place for
    with torch.device("cpu" if model.own else "meta"):
        network = build(model, classes, output_stride).eval()
    network.to("meta")
    parameters = sum(p.numel() for p in network.parameters())
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d | nn.ReLU | nn.ReLU6):
                setattr(module, name, nn.Identity())
    return network, parameters


@lru_cache(maxsize=256)
def _one_pass(model: Model, classes: int, output_stride: int, canvas: tuple[int, int]) -> Pass:
    """Run the network on an empty canvas and add up what its modules cost."""
    network, _ = _built(model, classes, output_stride)
    plain = padded = 0
    element_wise = 3.0 * canvas[0] * canvas[1]

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal plain, padded, element_wise
        if isinstance(module, nn.Conv2d):
            own, with_padding = _convolution(module, output)
            plain += own
            padded += with_padding - own
        element_wise += (
            next(rule(module, inputs[0], output) for kind, rule in ELEMENT_WISE if isinstance(module, kind)) / 2
        )

    kinds = tuple(kind for kind, _ in ELEMENT_WISE)
    handles = [m.register_forward_hook(hook) for m in network.modules() if isinstance(m, kinds)]
    try:
        with torch.inference_mode():
            network(torch.empty(1, 3, *canvas, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return Pass(plain, padded, element_wise)


def _convolution(module: nn.Conv2d, output: Tensor) -> tuple[int, int]:
    """Multiply-adds of a convolution: plain, and on the map that space-to-batch pads."""
    each = module.weight.numel()
    sides, padded = output.shape[2:], []
    for side, kernel, rate in zip(sides, module.kernel_size, module.dilation, strict=True):
        padded.append(rate * math.ceil(side / rate) if kernel > 1 and rate > 1 else side)
    return math.prod(sides) * each, math.prod(padded) * each


def _pool_window(module: nn.MaxPool2d) -> int:
    return int(module.kernel_size) ** 2  # type: ignore[arg-type]


ELEMENT_WISE: tuple[tuple[type[nn.Module], Callable[..., int]], ...] = (
    (nn.Conv2d, lambda conv, _x, out: out.numel() if conv.bias is not None else 0),
    (nn.MaxPool2d, lambda pool, _x, out: _pool_window(pool) * out.numel()),
    (Add, lambda _m, _x, out: out.numel()),
    (Subsample, lambda _m, _x, out: out.numel()),
    (GlobalMean, lambda _m, x, _out: x.numel()),
)
"""Float operations of each kind of module: (module, first input, output) -> count."""
