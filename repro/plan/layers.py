"""A network's convolutions as arithmetic: what it costs, weighs and keeps in memory, without building it.

Those of the papers; any other is counted as built, once (`repro.plan.own_cost`).

Building them takes PyTorch, seconds to import, and most of a second for each: a plan of one table has 20 networks, of
all tables a hundred, and is to be shown in half a second. So they stand here once more, with strides as in `repro.nets`
(paper v3, figure 3; v3+, figure 4; v2, section 3). Tests hold parameters and multiply-adds equal to those of the
networks as built, and what a training keeps for its backward pass within an eighth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

from repro.plan.own_cost import at_size, own_cost
from repro.spec.protocol import Model

MSC_SCALES = (1.0, 0.75, 0.5)
"""v2's three input scales."""


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it directly."""

    inputs: int
    outputs: int
    kernel: int
    """Side."""
    stride: int
    """Input pixels of the network per output pixel, along a side."""
    depthwise: bool = False
    normed: bool = True
    """Batch normalisation follows."""
    bias: bool = False
    kept: float = 2.0
    """Maps of its output's size that a training keeps: what batch normalisation reads, what the next layer reads."""
    pooled: bool = False
    """On the mean of the whole map: one output pixel."""

    @property
    def weights(self) -> int:
        """Numbers in the kernel."""
        return self.kernel**2 * self.outputs * (1 if self.depthwise else self.inputs)

    @property
    def parameters(self) -> int:
        """Learned numbers: kernel, bias or batch normalisation's scale and shift."""
        return self.weights + self.outputs * (2 * self.normed + self.bias)

    def pixels(self, height: int, width: int) -> int:
        """Output pixels for an image of so many."""
        if self.pooled:
            return 1
        return ((height - 1) // self.stride + 1) * ((width - 1) // self.stride + 1)


def in_arithmetic(model: Model) -> bool:
    """Whether a network's backbone and head are laid out here."""
    return model.implementation is None and model.backbone in BACKBONES and model.head in HEADS


@lru_cache(maxsize=512)
def layers(model: Model, output_stride: int, classes: int = 21) -> tuple[Layer, ...]:
    """Every convolution of a segmentation network at one input scale, from the image to the logits."""
    low: dict[str, tuple[int, int]] = {}
    convs, channels = BACKBONES[model.backbone](model, output_stride, low)
    return (*convs, *_head(model, channels, output_stride, classes, low))


def multiply_adds(model: Model, output_stride: int, height: int, width: int, classes: int = 21) -> int:
    """The textbook's count of one forward pass, all input scales."""
    if not in_arithmetic(model):
        return round(at_size(own_cost(model, output_stride, classes).multiply_adds, height, width))
    convs = layers(model, output_stride, classes)
    return sum(layer.weights * layer.pixels(*size) for size in _inputs(model, height, width) for layer in convs)


def kept_values(model: Model, output_stride: int, height: int, width: int, classes: int = 21) -> float:
    """Numbers that a training keeps of an image for its backward pass, up to the logits."""
    if not in_arithmetic(model):
        return at_size(own_cost(model, output_stride, classes).kept, height, width)
    convs = [(layer.outputs * layer.kept, layer) for layer in layers(model, output_stride, classes)]
    return sum(kept * layer.pixels(*size) for size in _inputs(model, height, width) for kept, layer in convs)


def parameters(model: Model, output_stride: int, classes: int = 21) -> int:
    """Learned numbers."""
    if not in_arithmetic(model):
        return own_cost(model, output_stride, classes).parameters
    return sum(layer.parameters for layer in layers(model, output_stride, classes))


def _inputs(model: Model, height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths at which the network sees an image."""
    scales = MSC_SCALES if model.multi_scale else (1.0,)
    return [(scaled(height, scale), scaled(width, scale)) for scale in scales]


def scaled(side: int, scale: float) -> int:
    """Side of a rescaled canvas: 513 becomes 257, 385, 641, ..."""
    return int((side - 1) * scale + 1)


def _resnet(model: Model, output_stride: int, low: dict[str, tuple[int, int]]) -> tuple[list[Layer], int]:
    stem = model.stem_width
    if model.stem == "beta":
        convs = [Layer(3, stem, 3, 2), Layer(stem, stem, 3, 2), Layer(stem, 2 * stem, 3, 2, kept=2.25)]
    else:
        convs = [Layer(3, stem, 7, 2, kept=2.25)]
    channels, stride = convs[-1].outputs, 4
    at_last, at_once = model.stride_at == "last_unit", model.stride_at == "first_conv"
    for block in range(1, model.last_block + 1):
        units = model.units[min(block, 4) - 1]
        inner = model.width * 2 ** (min(block, 4) - 1)
        strided = block < model.last_block if at_last else block > 1
        for unit in range(units):
            before = stride
            if strided and unit == (units - 1 if at_last else 0) and stride < output_stride:
                stride *= 2
            if block <= 2 and unit == max(0, units - 2):
                single = units == 1 and at_last
                low[f"conv{block + 1}"] = (inner if single else 4 * inner, before if single else stride)
            convs += [
                Layer(channels, inner, 1, stride if at_once else before),
                Layer(inner, inner, 3, stride),
                Layer(inner, 4 * inner, 1, stride),
            ]
            if channels != 4 * inner:
                convs.append(Layer(channels, 4 * inner, 1, stride, kept=1.0))
            channels = 4 * inner
    return convs, channels


def _vgg16(model: Model, output_stride: int, _low: object) -> tuple[list[Layer], int]:
    norm = model.vgg_batch_norm
    conv = partial(Layer, normed=norm, bias=True)
    kept = 2.0 if norm else 1.0
    convs, channels, stride = [], 3, 1
    for block in range(1, 6):
        width, count = model.width * 2 ** (min(block, 4) - 1), model.units[min(block, 4) - 1]
        after = min(stride * 2, output_stride)
        for i in range(count):
            pooled = (stride / after) ** 2 if i == count - 1 else 0.0  # what the pooling hands on
            convs.append(conv(channels, width, 3, stride, kept=kept + pooled))
            channels = width
        stride = after
    for _ in model.atrous_rates if model.head == "fc" else ():  # and dropout with its mask
        convs.append(conv(channels, model.fc_channels, model.fc_kernel, stride, kept=kept + 2))
        convs.append(conv(model.fc_channels, model.fc_channels, 1, stride, kept=kept + 2))
    return convs, convs[-1].outputs


def _xception(model: Model, output_stride: int, low: dict[str, tuple[int, int]]) -> tuple[list[Layer], int]:
    def filters_of(filters: int) -> int:
        return max(1, round(filters * model.width / 64))

    half = max(1, model.stem_width // 2)
    convs = [Layer(3, half, 3, 2), Layer(half, model.stem_width, 3, 2)]
    channels, stride = model.stem_width, 2
    stages = [((d, d, d), n, True) for d, n in zip((128, 256, 728), model.units[:3], strict=True)]
    stages += [((728, 728, 728), model.units[3], False), ((728, 1024, 1024), 1, True), ((1536, 1536, 2048), 1, False)]
    for stage, (filters, modules, strided) in enumerate(stages, start=1):
        for module in range(modules):
            before, at_end = stride, strided and module == modules - 1
            if at_end and stride < output_stride:
                stride *= 2
            c_in = channels
            for i, wide in enumerate(map(filters_of, filters)):
                at = stride if i == 2 else before
                convs += [Layer(channels, channels, 3, at, depthwise=True), Layer(channels, wide, 1, at)]
                channels = wide
                if i == 1 and at_end and stage in (2, 3):
                    low[f"conv{stage}"] = (wide, at)
            if at_end or (channels != c_in and stage < 6):
                convs.append(Layer(c_in, channels, 1, stride, kept=1.0))
    return convs, channels


BACKBONES = {
    "resnet50": _resnet,
    "resnet101": _resnet,
    "vgg16": _vgg16,
    "xception65": _xception,
    "xception71": _xception,
}
HEADS = ("cascade", "aspp", "fc", "sum_aspp")


def _head(model: Model, channels: int, stride: int, classes: int, low: dict[str, tuple[int, int]]) -> Iterator[Layer]:
    classifier = partial(Layer, normed=False, bias=True, kept=1.0)
    if model.head == "cascade":
        yield classifier(channels, classes, 1, stride)
        return
    if model.head != "aspp":
        branches = len(model.atrous_rates)
        for _ in range(branches):
            fc = model.head == "fc"
            yield classifier(model.fc_channels if fc else channels, classes, 1 if fc else 3, stride)
        return
    width = model.head_channels
    yield Layer(channels, width, 1, stride, kept=3.0)  # once more where the branches are joined
    for _ in model.atrous_rates:
        yield from _separable(model, channels, width, 3, stride, kept=3.0)
    if model.image_pooling:
        yield Layer(channels, width, 1, stride, pooled=True)
    joined = (1 + len(model.atrous_rates) + model.image_pooling) * width
    yield Layer(joined, width, 1, stride)
    channels = width
    for level in sorted(model.decoder, reverse=True):
        depth, stride = low[level]
        own = model.decoder_low_level_channels
        yield Layer(depth, own, 1, stride, kept=3.0)
        channels += own
        for _ in range(model.decoder_convs):
            yield from _separable(model, channels, model.decoder_channels, model.decoder_kernel, stride)
            channels = model.decoder_channels
    yield classifier(channels, classes, 1, stride)


def _separable(model: Model, inputs: int, outputs: int, kernel: int, stride: int, kept: float = 2.0) -> Iterator[Layer]:
    if model.separable and kernel > 1:
        normed = model.depthwise_batch_norm
        yield Layer(inputs, inputs, kernel, stride, depthwise=True, normed=normed, kept=2.0 if normed else 1.0)
        yield Layer(inputs, outputs, 1, stride, kept=kept)
    else:
        yield Layer(inputs, outputs, kernel, stride, kept=kept)
