"""Whether a processor's bfloat16 convolutions are right: each that a network has, against float32, before it is used.

Some kernels have been seen to leave parts of a gradient unwritten, which then hold what was in memory before: small
numbers, huge ones, or none. Each convolution is therefore computed several times, with the result of other work, NaN
and 1e30, lying in freed memory in between; all results have to be finite, close to those of float32, zero for weights
that meet no pixel, and the same each time. A narrow network takes milliseconds; shapes that were seen before take none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from repro.errors import InputError
from repro.nets.layers import SameConv2d
from repro.nets.precision import precision
from repro.spec.protocol import Precision

Size = tuple[int, int, int]
"""Images, height, width."""

CLOSE = 0.05
"""Of the largest value: how far values may lie from those in float32. Rounding sums alone moves them a tenth as far."""
LITTER = (float("nan"), 1e30)
MOST = 3e7
"""Multiply-adds of one test, about: of larger convolutions fewer images are computed."""


@dataclass(frozen=True)
class Convolution:
    """A convolution of a network and the maps that it reads; equal where the same is computed."""

    kind: str
    settings: str
    channels: int
    size: Size
    module: nn.Conv2d = field(compare=False, repr=False)

    @property
    def description(self) -> str:
        """What it is, for messages."""
        images, height, width = self.size
        return f"{self.kind}({self.settings}) on {images} maps of {height} x {width} pixels"


def convolutions(network: nn.Module, size: Size) -> list[Convolution]:
    """The different convolutions of a network on images of a size, in the order of computing; it is run once."""
    distinct: dict[Convolution, None] = {}

    def note(module: nn.Module, given: tuple[Tensor, ...], _out: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        images, channels, height, width = given[0].shape
        settings = module.extra_repr()  # type: ignore[no-untyped-call]
        distinct[Convolution(type(module).__name__, settings, channels, (images, height, width), module)] = None

    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, nn.Conv2d)]
    learning = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(size[0], 3, *size[1:], device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
        for module in learning:
            module.training = True
    return list(distinct)


def trusted(
    network: nn.Module,
    device: torch.device,
    wish: Precision,
    sizes: Iterable[Size],
    warn: Callable[[str], None],
    *,
    learning: bool,
) -> Precision:
    """The precision of a network on images of `sizes`: float32, and a word to `tell`, where a CPU's bfloat16 is wrong.

    `learning`: with gradients. Raises InputError where bfloat16 itself was asked for.
    """
    numbers = precision(device, wish)
    if numbers == "float32" or device.type != "cpu":
        return numbers
    for size in sizes:
        for convolution in convolutions(network, size):
            if why := fault(convolution, learning=learning):
                message = f"bfloat16 is wrong on this processor ({convolution.description}: {why})"
                if wish == "bfloat16":
                    raise InputError(f"precision bfloat16: {message}. Leave the setting out, or choose float32.")
                warn(f"{message}; computing in float32 instead")
                return "float32"
    return numbers


def usual() -> list[Convolution]:
    """Convolutions of the kinds that narrow networks have, on the maps where kernels have been seen to fail."""
    convolutions_ = []
    for channels in (8, 64):
        for groups in (1, channels):
            for stride in (1, 2):
                conv = SameConv2d(channels, channels, 3, stride=stride, groups=groups, bias=False)
                network = nn.Sequential(nn.Conv2d(3, channels, 1), conv)
                for height, width in ((1, 1), (2, 1), (3, 3), (9, 9)):
                    convolutions_ += convolutions(network, (16, height, width))
    return list(dict.fromkeys(convolutions_))


_known: dict[tuple[Convolution, bool], str] = {}
"""What `fault` found, in this process."""


def fault(convolution: Convolution, *, learning: bool = True) -> str:
    """What is wrong with a convolution in bfloat16 on this processor; empty where nothing is."""
    if (convolution, learning) not in _known:
        bare = Convolution(
            convolution.kind, convolution.settings, convolution.channels, convolution.size, module=nn.Conv2d(1, 1, 1)
        )
        _known[bare, learning] = _tested(convolution, learning)
    return _known[convolution, learning]


def _tested(convolution: Convolution, learning: bool) -> str:
    module = convolution.module
    images, height, width = convolution.size
    cost = height * width * module.weight.numel() / module.stride[0] / module.stride[1]
    images = max(1, min(images, int(MOST / cost)))
    draw = torch.Generator().manual_seed(0)
    # of values that bfloat16 holds exactly, results differ by what is computed alone
    make = partial(_drawn, draw)
    x = make(images, convolution.channels, height, width).contiguous(memory_format=torch.channels_last)
    parameters = {name: make(*parameter.shape) for name, parameter in module.named_parameters()}
    with torch.no_grad():
        towards = make(*functional_call(module, parameters, (x,)).shape)
    compute = partial(_results, module, x, parameters, towards, learning)
    exact, first = compute(torch.float32), None
    sizes = {tensor.numel() for tensor in (x, towards, *parameters.values())}
    for value in (*LITTER, 0.0):
        _litter(sizes, value)
        rounded = compute(torch.bfloat16)
        for name, tensor in rounded.items():
            if why := _differs(tensor, exact[name]):
                return f"{name} {why}"
            if first is not None and not torch.equal(tensor, first[name]):
                return f"{name} differs from call to call"
        first = first or rounded
    return ""


def _drawn(draw: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=draw).bfloat16().float()


def _results(
    module: nn.Conv2d, x: Tensor, parameters: dict[str, Tensor], towards: Tensor, learning: bool, dtype: torch.dtype
) -> dict[str, Tensor]:
    """A convolution's map and gradients, as a training computes them."""
    leaves = {name: tensor.clone().requires_grad_(learning) for name, tensor in parameters.items()}
    given = x.clone(memory_format=torch.preserve_format).requires_grad_(learning)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = functional_call(module, leaves, (given,))
    results = {"map": out.detach().float()}
    if learning:
        (out.float() * towards).sum().backward()
        for name, tensor in {"input": given, **leaves}.items():
            assert tensor.grad is not None
            results[f"gradient of the {name}"] = tensor.grad.detach().float()
    return results


def _differs(rounded: Tensor, exact: Tensor) -> str:
    if not torch.isfinite(rounded).all():
        return "is not finite"
    # the taps of a weight that meet no pixel; anywhere else a sum vanishes by chance only
    if exact.dim() == 4 and rounded[:, :, (exact == 0).all(dim=0).all(dim=0)].any():
        return "is not zero where no pixel is read"
    apart = float((rounded - exact).abs().max())
    most = float(exact.abs().max())
    return f"is off by {apart:.2g} where values are at most {most:.2g}" if apart > CLOSE * most else ""


def _litter(sizes: Iterable[int], value: float) -> None:
    """Leave `value` in memory that tensors of so many numbers are likely to get next, in either precision."""
    for dtype in (torch.float32, torch.bfloat16):
        for _ in range(2):
            blocks = [torch.full((size,), value, dtype=dtype) for size in sizes]
            del blocks
