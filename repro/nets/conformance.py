"""Does a network of one's own, or with a part of one's own, do what trainings and evaluations ask of it?

A check for each thing they rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from repro.nets.build import Network, build
from repro.nets.implementation import OwnNetwork, check_logits
from repro.nets.init import initialise
from repro.nets.registry import error_text
from repro.spec.protocol import Model

SIDES = ((65, 65), (97, 64), (33, 129))
"""Heights and widths of images: odd, even, of any shape."""
EQUAL = 1e-5
"""Largest relative difference of results that should be equal but for rounding."""


@dataclass(frozen=True)
class Check:
    """One requirement and how a network met it."""

    name: str
    passed: bool
    what: str
    """What was seen; where it failed, with the remedy."""


def conformance(model: Model, classes: int, output_strides: tuple[int, ...]) -> Iterator[Check]:
    """Check the network of an implementation, a backbone or a head of the user's, requirement by requirement.

    Stops after the first check where the network cannot be built or answers in no form that is known.
    """
    stride = output_strides[0]
    try:
        logits = check_logits(_at(_built(model, classes, stride), (65, 65)), torch.empty(1), model, classes)
        finite = bool(torch.isfinite(logits).all())
    except Exception as error:  # whatever somebody else's code raises
        yield Check("answers with logits", False, error_text(error))
        return
    what = f"(1, 3, 65, 65) -> {tuple(logits.shape)}"
    yield Check("answers with logits", finite, what if finite else f"{what}, not all of them finite")
    for check in (_sides, _single_image, _batch_independent, _repeatable, _gradients, _same_weights):
        try:
            yield check(model, classes, output_strides)
        except Exception as error:
            yield Check(_title(check), False, error_text(error))


def _title(check: Callable[..., Check]) -> str:
    return (check.__doc__ or "").split(".")[0].lower()


def _at(network: nn.Module, side: tuple[int, int], images: int = 1, seed: int = 0) -> Tensor:
    x = torch.randn(images, 3, *side, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        return network(x)  # type: ignore[no-any-return]


def _built(model: Model, classes: int, stride: int, seed: int = 0) -> Network:
    network = build(model, classes, stride, seed)
    if not isinstance(network, OwnNetwork):
        initialise(network, seed)
    return network.eval()


def _sides(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """Images of any side, at every output stride."""
    shapes = []
    for stride in strides:
        network = _built(model, classes, stride)
        shapes += [f"{side[0]} x {side[1]} -> {tuple(_at(network, side).shape[2:])} at {stride}" for side in SIDES]
    return Check(_title(_sides), True, "; ".join(shapes))


def _single_image(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """Training on batches of two, evaluation of one image."""
    network = _built(model, classes, strides[0]).train()
    x = torch.randn(2, 3, 65, 65, generator=torch.Generator().manual_seed(1))
    answers = {"training": network(x), "evaluation": _at(network.eval(), (65, 65))}
    wrong = [mode for mode, answer in answers.items() if not torch.isfinite(answer).all()]
    what = f"logits are not finite in {' and '.join(wrong)}" if wrong else "logits are finite in both modes"
    return Check(_title(_single_image), not wrong, what)


def _batch_independent(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """An image's logits do not depend on the batch it is in at evaluation."""
    network = _built(model, classes, strides[0])
    x = torch.randn(3, 3, 65, 65, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together, alone = network(x)[1:2], network(x[1:2])
    far = _distance(together, alone)
    remedy = "" if far <= EQUAL * 10 else "; something computes over the batch in evaluation mode"
    return Check(_title(_batch_independent), far <= EQUAL * 10, f"relative difference {far:.1e}{remedy}")


def _repeatable(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """Equal seeds give equal weights and equal logits, other seeds other weights."""
    first, again = _built(model, classes, strides[0]), _built(model, classes, strides[0])
    weights = zip(first.state_dict().items(), again.state_dict().items(), strict=True)
    same = all(a == b and torch.equal(v, w) for (a, v), (b, w) in weights)
    same = same and torch.equal(_at(first, (65, 65)), _at(first, (65, 65)))
    other = _built(model, classes, strides[0], seed=1).state_dict()
    drawn = any(not torch.equal(v, other[k]) for k, v in first.state_dict().items() if v.is_floating_point())
    if not same:
        return Check(_title(_repeatable), False, "two builds differ: draw weights with torch's own generator alone")
    what = "" if drawn else "; every seed starts from the same weights (a checkpoint?)"
    return Check(_title(_repeatable), True, f"to the last bit{what}")


def _gradients(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """Every parameter gets a gradient."""
    network = _built(model, classes, strides[0]).train()
    x = torch.randn(4, 3, 97, 97, generator=torch.Generator().manual_seed(3))
    answer = network(x)
    weight = torch.randn(answer.shape, generator=torch.Generator().manual_seed(4))
    (answer * weight).sum().backward()
    learned = [(name.removeprefix("network."), p) for name, p in network.named_parameters()]
    without = [k for k, p in learned if p.requires_grad and p.grad is None]
    broken = [k for k, p in learned if p.grad is not None and not torch.isfinite(p.grad).all()]
    if without:
        some = ", ".join(without[:3])
        return Check(_title(_gradients), False, f"none for {len(without)} parameters, as {some}: unused in training?")
    if broken:
        return Check(_title(_gradients), False, f"not finite for {', '.join(broken[:3])}")
    return Check(_title(_gradients), True, f"{sum(1 for _ in network.parameters())} parameters")


def _same_weights(model: Model, classes: int, strides: tuple[int, ...]) -> Check:
    """Weights trained at one output stride load at another."""
    title = _title(_same_weights)
    if len(strides) < 2:
        return Check(title, True, "one output stride only: not asked")
    shapes = [{k: v.shape for k, v in _built(model, classes, s).state_dict().items()} for s in strides]
    for stride, other in zip(strides[1:], shapes[1:], strict=True):
        if other != shapes[0]:
            differing = sorted(k for k in other.keys() | shapes[0].keys() if other.get(k) != shapes[0].get(k))
            name = differing[0].removeprefix("network.")
            return Check(
                title, False, f"{len(differing)} parameters differ between {strides[0]} and {stride}, as {name}: keep "
                "names and shapes, change strides and dilations",
            )  # fmt: skip
    grids = [tuple(_at(_built(model, classes, s), (129, 129)).shape[2:]) for s in strides]
    return Check(title, True, ", ".join(f"{s}: logits {g[0]} x {g[1]}" for s, g in zip(strides, grids, strict=True)))


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp(min=1e-12))
